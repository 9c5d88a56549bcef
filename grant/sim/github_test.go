package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	userID       = 583231
	clientID     = "Iv23sim0000000000000"
	clientSecret = "sim-client-secret"
	tokenLife    = 8 * time.Hour
	refreshLife  = 184 * 24 * time.Hour
)

// github is GitHub with one app and one user: as much of it as tokens need. Its rules are those of GitHub's
// documentation, "Refreshing user access tokens": a refresh token is single use, and a refresh kills the old access
// token at once. The world's lock guards it.
type github struct {
	pairs   []*pair
	access  map[string]*pair
	refresh map[string]*pair
	codes   map[string]bool
}

// pair is an access token with its refresh token, and what became of them.
type pair struct {
	n           int // Counts all pairs.
	signIn      int // The sign-in that it comes from,
	generation  int64
	access      string
	refresh     string
	expiry      time.Time
	dead        bool  // Both tokens.
	next        *pair // What it was refreshed to,
	revoked     bool  // or it was revoked by the user or the app.
	userRevoked bool

	// What the fleet knows and does.
	holder   *replica               // Who got the answer that brought it; nil if nobody did.
	stored   bool                   // It stood in the store.
	dropped  []*replica             // Who put another grant in its place, or none, and must revoke it.
	refused  map[*replica]time.Time // When GitHub's bad_refresh_token came to whom.
	doubt    bool                   // An answer about its refresh was lost, or a lease on it was left behind.
	moved    bool                   // A lease on it ran out and was taken over.
	asking   int                    // Refreshes of it that replicas wait for now.
	asked    int                    // Refreshes of it, while it was the stored one.
	unending bool                   // A revocation of it met a fault.
}

func (p *pair) String() string {
	return fmt.Sprintf("pair %d (sign-in %d, generation %d)", p.n, p.signIn, p.generation)
}

func (g *github) code() string {
	code := "code-" + strconv.Itoa(len(g.codes))
	if g.codes == nil {
		g.codes = make(map[string]bool)
	}
	g.codes[code] = true
	return code
}

func (g *github) issue(signIn int, generation int64) *pair {
	n := len(g.pairs)
	p := &pair{
		n: n, signIn: signIn, generation: generation, expiry: time.Now().Add(tokenLife),
		access: "ghu_" + strconv.Itoa(n), refresh: "ghr_" + strconv.Itoa(n),
	}
	if g.access == nil {
		g.access, g.refresh = make(map[string]*pair), make(map[string]*pair)
	}
	g.pairs = append(g.pairs, p)
	g.access[p.access], g.refresh[p.refresh] = p, p
	return p
}

// works finds the pair of an access token that GitHub takes.
func (g *github) works(access string) *pair {
	if p := g.access[access]; p != nil && !p.dead && time.Now().Before(p.expiry) {
		return p
	}
	return nil
}

func (g *github) revokeAll() {
	for _, p := range g.pairs {
		if !p.dead {
			p.dead, p.revoked, p.userRevoked = true, true, true
		}
	}
}

// door is a replica's way to GitHub: where its requests meet faults.
type door struct{ r *replica }

// request is what a replica asks.
type request struct {
	call  call
	form  url.Values
	token string // Access token, of REST calls.
}

func (d door) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
		_ = req.Body.Close()
	}
	q := read(req, body)
	r, w := d.r, d.r.w
	ctx := req.Context()

	w.mu.Lock()
	f, lasts := w.fault(r, q.call)
	answered := false
	if f != none {
		r.refusedAt = time.Now()
		r.braked = r.braked || r.closing.Load()
	}
	if q.call == refreshCall {
		end := w.asks(r, q.form.Get("refresh_token"), f)
		defer func() { end(answered) }()
	}
	if q.call == revokeCall {
		w.revokes(r, q.token, f)
	}
	w.mu.Unlock()

	var p *pair // That the answer brings.
	effect := func() (status int, answer string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		status, answer, p = w.gh.do(q)
		if p != nil {
			w.tell("GitHub issues %v to replica %v", p, r)
		}
		return status, answer
	}
	status, answer, err := 0, "", error(nil)
	before, after := r.latency(q.call, f, lasts)
	switch f {
	case overtaken:
		go func() {
			time.Sleep(12*sec + lasts)
			effect()
		}()
		<-ctx.Done()
		return nil, ctx.Err()
	case hangBefore:
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if err := r.sleep(ctx, before); err != nil {
		return nil, err
	}
	switch f {
	case crashBefore:
		r.crash()
	case lostBefore:
		return nil, errBroken
	case refused:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	case unavailable:
		status, answer = http.StatusServiceUnavailable, `{"message":"unavailable"}`
	case limited:
		status, answer = http.StatusTooManyRequests, `{"message":"too many requests"}`
	case forbidden:
		status, answer = http.StatusForbidden, `{"message":"forbidden"}`
	case wrongSecret:
		if q.call == refreshCall || q.call == exchangeCall {
			status, answer = http.StatusOK, `{"error":"incorrect_client_credentials"}`
			break
		}
		status, answer = http.StatusServiceUnavailable, `{"message":"unavailable"}`
		if q.call == revokeCall || q.call == checkCall {
			status, answer = http.StatusUnauthorized, `{"message":"Bad credentials"}`
		}
	}
	if err := r.sleep(ctx, 0); err != nil {
		return nil, err
	}
	if status == 0 {
		status, answer = effect()
	}
	date := time.Now()
	switch f {
	case crashAfter:
		r.crash()
	case cutOff:
		w.mu.Lock()
		w.outages = append(w.outages, outageNow{true, r.place, unavailable, time.Now().Add(lasts)})
		w.mu.Unlock()
	case lostAfter:
		err = errBroken
	case badGateway:
		status, answer, p = http.StatusBadGateway, "bad gateway", nil
	case hangAfter:
		<-ctx.Done()
		err = ctx.Err()
	}
	if err == nil {
		err = r.sleep(ctx, after)
	}
	if err != nil {
		return nil, err
	}
	if p != nil {
		w.mu.Lock()
		p.holder = r
		w.mu.Unlock()
	}
	answered = status < http.StatusInternalServerError
	if q.call == refreshCall && strings.Contains(answer, "bad_refresh_token") {
		w.refused(r, q.form.Get("refresh_token"))
	}
	header := make(http.Header, 2)
	header["Content-Type"] = []string{"application/json; charset=utf-8"}
	header["Date"] = []string{date.Add(-r.clock).UTC().Format(http.TimeFormat)}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(answer)), Request: req}, nil
}

var errBroken = errors.New("the connection broke")

func read(req *http.Request, body []byte) request {
	switch path := req.URL.Path; {
	case req.URL.Host == "github.com" && path == "/login/oauth/access_token":
		form, _ := url.ParseQuery(string(body))
		if form.Get("grant_type") == "refresh_token" {
			return request{call: refreshCall, form: form}
		}
		return request{call: exchangeCall, form: form}
	case path == "/user":
		return request{call: userCall, token: strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")}
	case path == "/applications/"+clientID+"/token":
		var b struct {
			AccessToken string `json:"access_token"`
		}
		_ = json.Unmarshal(body, &b)
		if req.Method == http.MethodDelete {
			return request{call: revokeCall, token: b.AccessToken}
		}
		return request{call: checkCall, token: b.AccessToken}
	}
	panic("the fake GitHub has no " + req.Method + " " + req.URL.String())
}

// do carries a request out.
func (g *github) do(q request) (status int, answer string, _ *pair) {
	const account = `{"id":583231,"login":"octocat"}`
	switch q.call {
	case exchangeCall:
		code := q.form.Get("code")
		if !g.codes[code] {
			return http.StatusOK, `{"error":"bad_verification_code"}`, nil
		}
		g.codes[code] = false
		n := 0
		for _, p := range g.pairs {
			n = max(n, p.signIn+1)
		}
		p := g.issue(n, 0)
		return http.StatusOK, p.answer(), p
	case refreshCall:
		old := g.refresh[q.form.Get("refresh_token")]
		if old == nil || old.dead {
			return http.StatusOK, `{"error":"bad_refresh_token"}`, nil
		}
		p := g.issue(old.signIn, old.generation+1)
		old.dead, old.next = true, p
		return http.StatusOK, p.answer(), p
	case userCall:
		if g.works(q.token) == nil {
			return http.StatusUnauthorized, `{"message":"Bad credentials"}`, nil
		}
		return http.StatusOK, account, nil
	case checkCall:
		if g.works(q.token) == nil {
			return http.StatusNotFound, `{"message":"Not Found"}`, nil
		}
		return http.StatusOK, `{"user":` + account + `}`, nil
	default: // revokeCall
		p := g.works(q.token)
		if p == nil {
			return http.StatusNotFound, `{"message":"Not Found"}`, nil
		}
		p.dead, p.revoked = true, true
		return http.StatusNoContent, "", nil
	}
}

func (p *pair) answer() string {
	return fmt.Sprintf(`{"access_token":%q,"expires_in":%d,"refresh_token":%q,"refresh_token_expires_in":%d,"scope":""}`,
		p.access, int(tokenLife.Seconds()), p.refresh, int(refreshLife.Seconds()))
}
