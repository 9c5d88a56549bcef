package sealed

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// format is the number of the layout below and of what a box is bound to.
const format = 1

// framePrefix starts every sealed value, of every format. It tells them from plain ones.
const framePrefix = `{"sealed":`

// frame is a sealed value as it stands in the store: JSON whose frame an operator can read.
type frame struct {
	Sealed int    `json:"sealed"`
	Key    string `json:"key"`
	Box    []byte `json:"box"`
}

func (f frame) encode() ([]byte, error) {
	value, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("sealed: encoding the frame: %w", err)
	}
	return value, nil
}

// decode reads the frame of value. On an error only its OpenError's StoreKey is still to be filled in.
func decode(value []byte) (frame, *OpenError) {
	if !bytes.HasPrefix(value, []byte(framePrefix)) {
		return frame{}, &OpenError{Reason: ReasonPlain}
	}
	// The format comes first: what another one means by the other fields is not ours to guess.
	var head struct {
		Sealed int `json:"sealed"`
	}
	if err := json.Unmarshal(value, &head); err != nil || head.Sealed < 1 {
		return frame{}, &OpenError{Reason: ReasonDamaged}
	}
	if head.Sealed != format {
		return frame{}, &OpenError{Reason: ReasonFormat, Format: head.Sealed}
	}
	var f frame
	if err := json.Unmarshal(value, &f); err != nil || !isID(f.Key) {
		return frame{}, &OpenError{Reason: ReasonDamaged, Format: format}
	}
	// JSON and base64 can say one thing in many ways. Only the way that encode writes is taken, so
	// that no byte of a stored value can be changed without notice.
	if canonical, err := f.encode(); err != nil || !bytes.Equal(canonical, value) {
		return frame{}, &OpenError{Reason: ReasonDamaged, Format: format, KeyID: f.Key}
	}
	return f, nil
}

// isID says whether text has the form of a key's id. Anything else does not belong into an error.
func isID(text string) bool {
	id, err := hex.DecodeString(text)
	return err == nil && len(id) == idBytes
}
