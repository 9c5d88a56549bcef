package benchmarks

import (
	"cmp"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// github answers the calls of a sign-in at once, without a network: what is left is the libraries' own work. Each
// sign-in is another user's, unless user is set.
type github struct {
	user  int64         // 0 for another one each time.
	life  time.Duration // Of the tokens; 0 for eight hours.
	calls atomic.Int64
	users atomic.Int64
}

// RoundTrip implements http.RoundTripper.
func (g *github) RoundTrip(r *http.Request) (*http.Response, error) {
	g.calls.Add(1)
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	}
	var body string
	switch {
	case strings.HasSuffix(r.URL.Path, "/login/oauth/access_token"):
		id := g.user
		if id == 0 {
			id = g.users.Add(1)
		}
		body = `{"access_token":"ghu_` + strconv.FormatInt(id, 10) + strings.Repeat("x", 30) +
			`","expires_in":` + strconv.Itoa(int(cmp.Or(g.life, 8*time.Hour).Seconds())) + `,"refresh_token":"ghr_` + strconv.FormatInt(id, 10) + strings.Repeat("y", 70) +
			`","refresh_token_expires_in":15811200,"scope":"","token_type":"bearer"}`
	case strings.HasSuffix(r.URL.Path, "/user"):
		_, token, _ := strings.Cut(r.Header.Get("Authorization"), "ghu_")
		id := strings.TrimRight(token, "x")
		body = `{"login":"user` + id + `","id":` + id + `,"avatar_url":"https://avatars.example/u/` + id + `","name":"A User","email":"user@example.com"}`
	default:
		body = `[]`
	}
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}},
		Body:   io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}, nil
}
