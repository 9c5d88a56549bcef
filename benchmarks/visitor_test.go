package benchmarks

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

// visitor is a browser at a site, without a network between.
type visitor struct {
	site    http.Handler
	cookies map[string]string
}

func newVisitor(site http.Handler) *visitor {
	return &visitor{site: site, cookies: make(map[string]string)}
}

// open makes one request and keeps the cookies of the answer.
func (v *visitor) open(path string) (status int, location string) {
	rec := httptest.NewRecorder()
	v.site.ServeHTTP(rec, v.request(path))
	resp := rec.Result()
	for _, c := range resp.Cookies() {
		if v.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(v.cookies, c.Name)
		}
	}
	_ = resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("Location")
}

func (v *visitor) request(path string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://app.example"+path, nil)
	r.Header.Set("Accept", "text/html")
	for name, value := range v.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r
}

// signIn goes through the whole sign-in to the first page.
func (v *visitor) signIn(tb testing.TB) {
	tb.Helper()
	status, location := v.open("/auth/github/login")
	to, err := url.Parse(location)
	if err != nil || to.Query().Get("state") == "" {
		tb.Fatalf("login: %d, %v", status, err)
	}
	status, _ = v.open("/auth/github/callback?code=0123456789abcdef&state=" + url.QueryEscape(to.Query().Get("state")))
	if status != http.StatusSeeOther {
		tb.Fatalf("callback: %d", status)
	}
	if status, _ = v.open("/identity"); status != http.StatusNoContent {
		tb.Fatalf("first page: %d", status)
	}
}

// sink is a response writer that costs next to nothing. One serves one caller.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

// ask makes a request again, as a server does: each time another *http.Request, since gorilla/sessions remembers in it.
func (s *sink) ask(site http.Handler, r *http.Request) int {
	clear(s.header)
	s.status = http.StatusOK
	site.ServeHTTP(s, r.WithContext(context.Background()))
	return s.status
}
