package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/oauth"
)

// What the middleware itself allocates for a request, counted exactly, so that a change that makes each request dearer shows.
// The request, the response writer and the handler are made before.
//
//nolint:paralleltest // AllocsPerRun counts the whole process.
func TestAllocationsOfARequest(t *testing.T) {
	for name, want := range map[string]struct {
		options             []middleware.Option
		anonymous, signedIn float64
	}{
		"sessions in memory": {nil, 3, 19},
		"cookie sessions":    {[]middleware.Option{middleware.WithCookieSessions(oauth.NewSecret("0123456789abcdef0123456789abcdef"))}, 3, 17},
	} {
		s := newSite(t, withOptions(want.options...))
		b := s.browser(t)
		b.signIn()
		found := false
		handler := s.auth.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, found = middleware.UserFromContext(r.Context())
			if found {
				_, found = middleware.ClientFromContext(r.Context())
			}
		}))
		for _, visitor := range []struct {
			name    string
			cookies []*http.Cookie
			want    float64
		}{{"anonymous", nil, want.anonymous}, {"signed in", b.sessionCookies(), want.signedIn}} {
			r, w := httptest.NewRequest(http.MethodGet, origin+"/", nil), httptest.NewRecorder()
			for _, c := range visitor.cookies {
				r.AddCookie(c)
			}
			got := testing.AllocsPerRun(200, func() { handler.ServeHTTP(w, r) })
			if found != (visitor.cookies != nil) {
				t.Errorf("%s, %s: user and client found: %v", name, visitor.name, found)
			}
			if got != visitor.want {
				t.Errorf("%s, %s: %v allocations, want %v", name, visitor.name, got, visitor.want)
			}
		}
	}
}
