package middleware

import (
	"encoding/binary"
	"time"

	"github.com/alexedwards/scs/v2"
)

// sessionCodec writes the sessions of our own manager, which hold one text under one key. scs's gob compiles a decoder for each
// session anew, which is most of what scs costs a request. Sessions that hold anything else, or were written by gob, are
// gob's.
type sessionCodec struct{ key string }

// compact begins what sessionCodec writes itself. A gob stream begins with the length of a message, which is never zero.
const compact = 0

// compactHeader is compact and the deadline, in nanoseconds since 1970, big endian.
const compactHeader = 1 + 8

// Encode implements scs.Codec.
func (c sessionCodec) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	text, ok := values[c.key].(string)
	if !ok || len(values) != 1 {
		return scs.GobCodec{}.Encode(deadline, values)
	}
	b := make([]byte, 0, compactHeader+len(text))
	b = binary.BigEndian.AppendUint64(append(b, compact), uint64(deadline.UnixNano()))
	return append(b, text...), nil
}

// Decode implements scs.Codec.
func (c sessionCodec) Decode(b []byte) (time.Time, map[string]any, error) {
	if len(b) < compactHeader || b[0] != compact {
		return scs.GobCodec{}.Decode(b)
	}
	deadline := time.Unix(0, int64(binary.BigEndian.Uint64(b[1:]))).UTC() //nolint:gosec // Back and forth alike.
	return deadline, map[string]any{c.key: string(b[compactHeader:])}, nil
}
