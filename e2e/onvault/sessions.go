package onvault

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Sessions is an scs.Store: a folder with a file per session, which outlives the process and can be
// shared by several. It is safe for concurrent use.
type Sessions string

// header is the length of what stands before a session in its file: when it ends, in Unix nanoseconds.
const header = 8

// Find implements scs.Store.
func (s Sessions) Find(token string) (b []byte, found bool, err error) {
	file, err := os.ReadFile(s.path(token))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	case len(file) < header:
		return nil, false, errors.New("onvault: the session's file is too short")
	}
	//nolint:gosec // It was written from an int64.
	ends := time.Unix(0, int64(binary.BigEndian.Uint64(file)))
	return file[header:], time.Now().Before(ends), nil
}

// Commit implements scs.Store. A process that is killed meanwhile leaves the old session.
func (s Sessions) Commit(token string, b []byte, expiry time.Time) error {
	file, err := os.CreateTemp(string(s), "new-*")
	if err != nil {
		return err
	}
	_, err = file.Write(append(binary.BigEndian.AppendUint64(nil, uint64(expiry.UnixNano())), b...))
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return os.Rename(file.Name(), s.path(token))
}

// Delete implements scs.Store.
func (s Sessions) Delete(token string) error {
	if err := os.Remove(s.path(token)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// path is where a session stands: its token comes from a cookie and is no file name.
func (s Sessions) path(token string) string {
	sum := sha256.Sum256([]byte(token))
	return filepath.Join(string(s), hex.EncodeToString(sum[:]))
}
