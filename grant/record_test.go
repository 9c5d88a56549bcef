package grant

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

func exampleRecord() *record {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return &record{
		ClientID: "Iv1.example",
		User:     oauth.User{ID: 583231, Login: "octocat"},
		Token: storedToken(oauth.Token{
			AccessToken: oauth.NewSecret("ghu_visible-in-the-store-only"), RefreshToken: oauth.NewSecret("ghr_visible-in-the-store-only"),
			Scopes: []string{"repo"}, Expiry: now.Add(8 * time.Hour), RefreshExpiry: now.Add(184 * 24 * time.Hour),
		}, now),
		Logins:     map[string]login{"id": {Created: now, Expires: now.Add(time.Hour)}},
		Lineage:    "lineage",
		Generation: 3,
		Lease:      lease{Owner: "owner", Length: 30 * time.Second},
		Failure:    failure{Code: "bad_refresh_token", At: now, NotBefore: now.Add(time.Second), Count: 2, Misconfigured: true, Unknown: true},
		NeedsLogin: ReasonLost,
	}
}

func TestRecordSurvivesTheStoreWhole(t *testing.T) {
	t.Parallel()
	r := exampleRecord()
	value, err := r.encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := decode(value)
	if err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(back)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(value, again) {
		t.Errorf("a record came back changed:\n%s\n%s", value, again)
	}
	if !back.Token.RefreshToken.Equal(r.Token.RefreshToken.Secret) || back.Failure != r.Failure || back.Lease != r.Lease {
		t.Error("a record came back changed")
	}
}

// A write that took effect unseen must not be taken for another phase's, or for another refresh's.
func TestEveryPhaseOfEveryRefreshHasItsOwnWriteID(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, name := range []string{"one", "two"} {
		r, _ := beginRotation("owner", name, id{})
		for _, p := range []phase{claiming, storing, marking, releasing} {
			r.enter(p)
			if again := r.writeID(); seen[again] || again != r.writeID() {
				t.Errorf("%s: write id %q", p, again)
			}
			seen[r.writeID()] = true
		}
	}
}

func TestRecordPrintsNoToken(t *testing.T) {
	t.Parallel()
	r := exampleRecord()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		if s := fmt.Sprintf(verb+verb+verb, r, *r, rotation{began: r, pair: r.Token}); strings.Contains(s, "visible") || strings.Contains(s, fmt.Sprintf("%x", "visible")) {
			t.Errorf("%s shows a token: %s", verb, s)
		}
	}
}

func TestErrorsOfForeignValuesQuoteNothing(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		"", "ghu_secret", `"ghu_secret"`, `{"format":"ghu_secret"}`, `{"format":1,"user":"ghu_secret"}`,
		`{"format":1,"token":{"access_token":{"ghu_secret":1}}}`, `{"format":1,"logins":["ghu_secret"]}`, `{"format":2,"x":"ghu_secret"}`, "\x00\xff",
	} {
		_, err := decode([]byte(value))
		if e, ok := errors.AsType[*FormatError](err); !ok || strings.Contains(e.Error(), "secret") {
			t.Errorf("decode(%q) = %v, want a FormatError that quotes nothing", value, err)
		}
	}
}

// A newer version may write the other fields in another shape: the operator must hear of the format, not of a broken value.
func TestAnotherFormatIsNamedWhateverItsOtherFieldsAre(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		`{"format":2}`, `{"format":2,"user":"octocat","logins":[1]}`, `{"generation":"one","format":2}`, `{"format":2,"token":{"access_token":"REDACTED"}}`,
	} {
		r, err := decode([]byte(value))
		if e, ok := errors.AsType[*FormatError](err); !ok || e.Format != 2 || r != nil {
			t.Errorf("decode(%s) = %v, %v, want a FormatError of 2 alone", value, r, err)
		}
	}
}

// A grant that is not remembered costs its JSON once, and not once more for its format.
//
//nolint:paralleltest // AllocsPerRun counts the whole process.
func TestDecodingReadsTheValueOnce(t *testing.T) {
	value, err := exampleRecord().encode()
	if err != nil {
		t.Fatal(err)
	}
	once := testing.AllocsPerRun(200, func() { _ = json.Unmarshal(value, new(record)) })
	if n := testing.AllocsPerRun(200, func() { _, _ = decode(value) }); n != once {
		t.Errorf("%v allocations, want %v", n, once)
	}
}
