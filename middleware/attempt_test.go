package middleware

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// Another library let an empty state meet an empty session: login CSRF.
func TestStateOfTheCookieMustBeTheOneOfTheCallback(t *testing.T) {
	t.Parallel()
	a := fuzzAttempts(t)
	for name, c := range map[string]struct {
		sealed, asked string
		want          bool
	}{
		"the same":       {"state", "state", true},
		"another":        {"state", "other", false},
		"both empty":     {"", "", false},
		"empty cookie":   {"", "state", false},
		"empty callback": {"state", "", false},
	} {
		plain, err := json.Marshal(attempt{State: c.sealed, Expires: time.Now().Add(time.Minute).UnixMilli()})
		if err != nil {
			t.Fatal(err)
		}
		cookie := a.name(c.asked)
		r := httptest.NewRequest(http.MethodGet, "/callback", nil)
		r.AddCookie(&http.Cookie{Name: cookie, Value: a.sealer.seal(plain, cookie)})
		w := httptest.NewRecorder()
		if _, ok := a.finish(w, r, c.asked); ok != c.want {
			t.Errorf("%s: finish = %v, want %v", name, ok, c.want)
		}
		if set := w.Result().Cookies(); len(set) != 1 || set[0].MaxAge >= 0 {
			t.Errorf("%s: the cookie was not cleared: %v", name, set)
		}
	}
}
