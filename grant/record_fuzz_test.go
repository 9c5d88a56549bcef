package grant

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"
)

// FuzzDecode: whatever stands in the store is refused with a FormatError, or is a record with which all can be done that is
// done with records, and which comes back from the store as it went in.
func FuzzDecode(f *testing.F) {
	for _, r := range []*record{exampleRecord(), {}, {Forgotten: time.Unix(1, 0).UTC()}} {
		value, err := r.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(value)
	}
	for _, value := range []string{
		"", "null", "{}", `{"format":1}`, `{"format":2}`, `{"format":1,"logins":{"":null}}`, `{"format":1,"user":null,"token":null,"lease":null}`,
		`{"format":1,"Format":2,"lineage":"a","LINEAGE":"b"}`, `{"format":1,"generation":-1,"lease":{"owner":"x","length_ns":-9223372036854775808}}`,
		`{"format":1,"token":{"access_token":"REDACTED"},"forgotten":"9999-12-31T23:59:59Z"}`,
	} {
		f.Add([]byte(value))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		r, err := decode(value)
		if err != nil {
			if e, ok := errors.AsType[*FormatError](err); !ok || r != nil {
				t.Errorf("decode = %+v, %v (%T), want a FormatError alone", r, err, e)
			}
			return
		}
		once := reEncode(t, r)
		again, err := decode(once)
		if err != nil {
			t.Fatalf("what was encoded can't be decoded: %v", err)
		}
		if twice := reEncode(t, again); !bytes.Equal(once, twice) {
			t.Errorf("a record comes back as another:\n%s\n%s", once, twice)
		}

		now := time.Now()
		for _, keep := range []bool{false, true} {
			r.expires(keep)
		}
		for i := range 3 * maxLogins {
			r.addLogin(fmt.Sprint("new", i), login{Created: now, Expires: now.Add(time.Hour)})
		}
		if len(r.Logins) > maxLogins || !r.signedIn(fmt.Sprint("new", 3*maxLogins-1), now) {
			t.Errorf("%d logins are kept", len(r.Logins))
		}
		r.clone().dropLogin("new1")
		r.forget(now)
		if !r.Token.AccessToken.IsZero() || !r.Token.RefreshToken.IsZero() || len(r.Logins) > 0 {
			t.Error("a forgotten record holds a token")
		}
	})
}

func reEncode(t *testing.T, r *record) []byte {
	t.Helper()
	value, err := r.encode()
	if err != nil {
		t.Fatalf("what was decoded can't be encoded: %v", err)
	}
	return value
}
