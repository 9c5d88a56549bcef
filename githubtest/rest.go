package githubtest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// restRoutes lays out the REST API below a prefix. Patterns in the comments of the handlers leave
// it out.
func (s *Server) restRoutes(mux *http.ServeMux, prefix string) {
	for _, e := range []endpoint{
		{"GET /user", needUser, "", s.getUser},
		{"GET /user/emails", needUser, "user:email", s.getEmails},
		{"GET /user/repos", needUser, "", s.getRepos},
		{"GET /user/orgs", needUser, "user, read:org", s.getOrgs},
		{"GET /user/teams", needUser, "user, repo, read:org", s.getTeams},
		{"GET /user/installations", needUser, "", s.getInstallations},
		{"GET /user/memberships/orgs", needUser, "read:org", s.getMemberships},
		{"GET /user/memberships/orgs/{org}", needUser, "read:org", s.guarded(s.getMembership)},
		{"GET /orgs/{org}/memberships/{username}", needUser, "read:org", s.guarded(s.getOrgMembership)},
		{"GET /orgs/{org}/members/{username}", needUser, "", s.getMember},
		{"GET /orgs/{org}/teams/{team}/memberships/{username}", needUser, "read:org", s.guarded(s.getTeamMembership)},
		{"GET /users/{username}", anybody, "", s.getPublicUser},
		{"GET /rate_limit", anybody, "", s.getRateLimit},
		{"GET /meta", anybody, "", s.getMeta},
		{"POST /applications/{client_id}/token", needApp, "", s.checkToken},
		{"PATCH /applications/{client_id}/token", needApp, "", s.resetToken},
		{"DELETE /applications/{client_id}/token", needApp, "", s.deleteToken},
		{"DELETE /applications/{client_id}/grant", needApp, "", s.deleteGrant},
		{"POST /credentials/revoke", needNobody, "", s.revokeCredentials},
	} {
		method, path, _ := strings.Cut(e.pattern, " ")
		mux.HandleFunc(method+" "+prefix+path, s.rest(e))
	}
	graphql := endpoint{"POST /graphql", needUser, "", s.graphQL}
	if prefix == "" {
		mux.HandleFunc("POST /graphql", s.rest(graphql))
		mux.HandleFunc("POST /api/graphql", s.rest(graphql))
	}
	mux.HandleFunc(prefix+"/", s.rest(endpoint{"", anybody, "", func(*call) answer { return notFound() }}))
}

// endpoint is one REST call. The scopes are what X-Accepted-OAuth-Scopes says, one of which a token
// needs.
type endpoint struct {
	pattern string
	who     who
	scopes  string
	handle  func(*call) answer
}

// call is one request with its caller.
type call struct {
	r      *http.Request
	body   []byte
	user   *user  // nil without a user's token
	token  *token // nil without a user's token
	app    *app   // the token's app, or the one that called with its secret
	bucket *bucket
}

// answer is what a handler returns.
type answer struct {
	status int
	body   any // nil for none
	link   string
	header http.Header
}

func ok(body any) answer { return answer{status: http.StatusOK, body: body} }

// apiError is the shape of GitHub's REST errors.
func apiError(status int, message string) answer {
	return answer{status: status, body: map[string]any{
		"message": message, "documentation_url": "https://docs.github.com/rest", "status": strconv.Itoa(status),
	}}
}

func notFound() answer       { return apiError(http.StatusNotFound, "Not Found") }
func badCredentials() answer { return apiError(http.StatusUnauthorized, "Bad credentials") }

func validationFailed(message string) answer {
	return apiError(http.StatusUnprocessableEntity, "Validation Failed: "+message)
}

// forbiddenScope is what a token without the needed scope gets.
func forbiddenScope(need string) answer {
	return apiError(http.StatusForbidden, "Your token has not been granted the required scopes to execute this request; it needs one of: "+need)
}

// apiVersions are the ones that X-GitHub-Api-Version may name (GitHub docs, API versions).
var apiVersions = []string{"2022-11-28", "2026-03-10"}

// rest wraps an endpoint: who calls, may they, how often, then the call itself.
func (s *Server) rest(e endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		version := r.Header.Get("X-GitHub-Api-Version")
		if version == "" {
			version = apiVersions[0]
		}
		h := w.Header()
		h.Set("X-GitHub-Api-Version-Selected", version)
		h.Set("X-GitHub-Media-Type", "github.v3; format=json")
		h.Set("X-GitHub-Request-Id", newUUID())
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Vary", "Accept, Authorization, Cookie, X-GitHub-OTP")
		c := &call{r: r}
		c.body, _ = io.ReadAll(r.Body) // in memory already
		s.mu.Lock()
		a := apiError(http.StatusBadRequest, "This API version is not supported: "+version)
		if slices.Contains(apiVersions, version) {
			a = s.answer(h, e, c)
		}
		status, body := c.write(h, a)
		s.mu.Unlock()
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}
}

// answer does the work of one REST call; s.mu is held.
func (s *Server) answer(h http.Header, e endpoint, c *call) answer {
	if refused := s.authenticate(e.who, c); refused != nil {
		return *refused
	}
	switch {
	case c.user != nil:
		c.bucket = s.bucketFor("user:"+strconv.FormatInt(c.user.ID, 10), s.limits.perHour)
	case c.app != nil:
		c.bucket = s.bucketFor("app:"+c.app.ClientID, s.limits.perHour)
	default:
		c.bucket = s.bucketFor("address:"+clientAddress(c.r), strangerLimit)
	}
	// Asking for the rate limit doesn't count (GitHub docs, Rate limit).
	if c.bucket != nil && e.pattern != "GET /rate_limit" {
		if c.bucket.remaining() == 0 {
			return apiError(http.StatusForbidden, "API rate limit exceeded")
		}
		c.bucket.used++
	}
	if c.token != nil {
		setTokenHeaders(h, c.token, e.scopes)
		if need := splitList(e.scopes); c.token.kind == OAuthApp && len(need) > 0 && !allowsOne(c.token.scopes, need) {
			if e.pattern == "GET /user/emails" || strings.Contains(e.pattern, "/teams/") {
				return notFound() // these two don't tell that there is something to see
			}
			return forbiddenScope(e.scopes)
		}
	}
	return e.handle(c)
}

// write finishes the headers of an answer and returns the status and body to send. A GET whose
// content the client has already gets 304, which doesn't count against the rate limit (GitHub docs,
// Best practices for using the REST API). s.mu is held.
func (c *call) write(h http.Header, a answer) (status int, body []byte) {
	maps.Copy(h, a.header)
	if a.link != "" {
		h.Set("Link", a.link)
	}
	if a.body != nil {
		body, _ = json.Marshal(a.body) // maps of plain values, which can't fail
		h.Set("Content-Type", "application/json; charset=utf-8")
	}
	status = a.status
	if c.r.Method == http.MethodGet && status == http.StatusOK {
		sum := sha256.Sum256(append([]byte(c.r.Header.Get("Authorization")), body...))
		etag := `W/"` + hex.EncodeToString(sum[:]) + `"`
		h.Set("ETag", etag)
		h.Set("Cache-Control", "private, max-age=60, s-maxage=60")
		if c.r.Header.Get("If-None-Match") == etag {
			status, body = http.StatusNotModified, nil
			c.bucket.giveBack()
		}
	}
	c.bucket.setHeaders(h)
	return status, body
}

// paginate cuts one page out of a list and makes the Link header (GitHub docs, Using pagination in
// the REST API: 30 a page, at most 100).
func paginate[T any](s *Server, c *call, items []T) answer {
	q := c.r.URL.Query()
	per, page := numberOr(q.Get("per_page"), 30), numberOr(q.Get("page"), 1)
	per = min(per, 100)
	last := max(1, (len(items)+per-1)/per)
	from := min(len(items), (page-1)*per)
	a := ok(items[from:min(len(items), from+per)])
	var links []string
	link := func(rel string, number int) {
		q.Set("page", strconv.Itoa(number))
		links = append(links, "<"+s.base+c.r.URL.Path+"?"+q.Encode()+`>; rel="`+rel+`"`)
	}
	if page > 1 {
		link("prev", min(page-1, last))
	}
	if page < last {
		link("next", page+1)
		link("last", last)
	}
	if page > 1 {
		link("first", 1)
	}
	a.link = strings.Join(links, ", ")
	return a
}

// numberOr reads a positive number.
func numberOr(text string, fallback int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1_000_000 {
		return fallback
	}
	return n
}

// timestamp is GitHub's format for times.
func timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
