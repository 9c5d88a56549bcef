package middleware

import (
	"maps"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
)

func TestSessionCodecGivesBackWhatItWasGiven(t *testing.T) {
	t.Parallel()
	c := sessionCodec{"ours"}
	deadline := time.Date(2030, 1, 2, 3, 4, 5, 678, time.UTC)
	for name, values := range map[string]map[string]any{
		"ours alone":      {"ours": "583231 LOGIN"},
		"empty":           {"ours": ""},
		"nothing":         {},
		"another's":       {"theirs": "text"},
		"ours and others": {"ours": "583231 LOGIN", "n": 7},
		"of another type": {"ours": 7},
	} {
		b, err := c.Encode(deadline, values)
		if err != nil {
			t.Fatal(err)
		}
		gotDeadline, got, err := c.Decode(b)
		if err != nil || !gotDeadline.Equal(deadline) || !maps.Equal(got, values) {
			t.Errorf("%s: %v %v, %v", name, gotDeadline, got, err)
		}
	}
}

// A store that outlives the process may hold sessions from before.
func TestSessionOfTheOldCodecStillOpens(t *testing.T) {
	t.Parallel()
	deadline := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	b, err := scs.GobCodec{}.Encode(deadline, map[string]any{"ours": "583231 LOGIN"})
	if err != nil {
		t.Fatal(err)
	}
	gotDeadline, got, err := sessionCodec{"ours"}.Decode(b)
	if err != nil || !gotDeadline.Equal(deadline) || got["ours"] != "583231 LOGIN" {
		t.Errorf("%v %v, %v", gotDeadline, got, err)
	}
}

func TestSessionThatIsGarbageIsAnError(t *testing.T) {
	t.Parallel()
	for _, b := range [][]byte{nil, {}, {0}, {0, 1, 2}, []byte("garbage")} {
		if _, _, err := (sessionCodec{"ours"}).Decode(b); err == nil {
			t.Errorf("%q opens", b)
		}
	}
}
