package middleware

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
)

// Kind names a problem. It is stable: apps may switch on it.
type Kind string

// The kinds of problems.
const (
	KindSignIn      Kind = "sign-in-required"   // 401: the request needs a user who is signed in.
	KindAttempt     Kind = "attempt-invalid"    // 400: the sign-in was tampered with, used before, too old, or begun elsewhere.
	KindDenied      Kind = "access-denied"      // 403: the visitor chose Cancel at GitHub.
	KindEmail       Kind = "email-unverified"   // 403: GitHub wants the account's e-mail address verified first.
	KindScopes      Kind = "scope-missing"      // 403: the user has not granted a scope that the page needs.
	KindNotAllowed  Kind = "not-allowed"        // 403: a gate refused the user: see [WithGate].
	KindSSO         Kind = "sso-required"       // 403: a gate can't see before the user has signed on at their organization.
	KindHidden      Kind = "membership-hidden"  // 403: a gate can't see, because the user has not let the app read memberships.
	KindNotApproved Kind = "app-not-approved"   // 403: a gate can't see, because the organization has not let the app in.
	KindCrossOrigin Kind = "cross-origin"       // 403: another site asked for the sign-out.
	KindMethod      Kind = "method-not-allowed" // 405: not a method of this route.
	KindSuspended   Kind = "app-suspended"      // 503: GitHub suspended the app.
	KindConfig      Kind = "app-misconfigured"  // 503: GitHub refused the app's own credentials or URL.
	KindUnavailable Kind = "try-again"          // 503: GitHub or the store is away; nobody is signed out by it.
	KindInternal    Kind = "internal-error"     // 500: none of these.
	KindGitHub      Kind = "github-call-failed" // 502: a call to GitHub's API failed for reasons of its own.
)

// Problem is what went wrong with a request, as it may be shown to the visitor.
type Problem struct {
	Kind     Kind   // Kind says what went wrong.
	ReturnTo string // Where a new sign-in should end, a page that was asked for, say; "" is the default.

	// MissingScopes are what the user has not granted, for KindScopes and KindHidden.
	MissingScopes []string

	// Refusal is what a gate said, for the four kinds of refusals; else it is nil.
	Refusal *Refusal

	// Err is the cause, for logs. It holds no secret, but it is not for visitors. It may be nil.
	Err error

	// RetryAfter is when to try again; zero where that doesn't help.
	RetryAfter time.Duration
}

// Status returns the HTTP status of the problem.
func (p *Problem) Status() int { return cmp.Or(texts[p.Kind].status, http.StatusInternalServerError) }

// Title returns the problem in a few words, for the visitor.
func (p *Problem) Title() string { return texts[p.Kind].title }

// Detail returns what happened and what to do, for the visitor: a refusal's own Reason, where it has one.
func (p *Problem) Detail() string {
	if p.Refusal != nil && p.Refusal.Reason != "" {
		return p.Refusal.Reason
	}
	return texts[p.Kind].detail
}

// link is a page elsewhere at which the visitor can mend it, with its host, or "": of what a gate says no other scheme than https
// is led to.
func (p *Problem) link() (to, host string) {
	if p.Refusal == nil {
		return "", ""
	}
	u, err := url.Parse(p.Refusal.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return "", ""
	}
	return u.String(), u.Host
}

// ErrorHandler answers a request that failed. See [WithErrorHandler].
type ErrorHandler func(w http.ResponseWriter, r *http.Request, p *Problem)

// Fail answers a request whose call to GitHub returned err. Where err is about the sign-in, the
// visitor is sent through it again or told what is wrong: see [Kind]. A call without an answer is 503, any other error 502.
//
//	repos, _, err := gh.Repositories.ListByAuthenticatedUser(ctx, nil)
//	if err != nil {
//		auth.Fail(w, r, err)
//		return
//	}
func (a *Authenticator) Fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if p.Status() >= http.StatusInternalServerError && !errors.Is(err, context.Canceled) {
		a.log.WarnContext(r.Context(), "request failed", "kind", p.Kind, "error", err)
	}
	a.fail(w, r, p)
}

// sessionError says that the session store did not answer.
type sessionError struct{ err error }

func (e *sessionError) Error() string        { return "middleware: " + e.err.Error() }
func (e *sessionError) Unwrap() error        { return e.err }
func (e *sessionError) Is(target error) bool { return target == oauth.ErrTryLater }

// problemOf finds the kind of an error.
func problemOf(err error) *Problem {
	p := &Problem{Kind: KindGitHub, Err: err}
	if r, ok := errors.AsType[*Refusal](err); ok {
		p.Kind, p.Refusal, p.MissingScopes = r.kind(), r, r.MissingScopes
		return p
	}
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		p.RetryAfter = e.RetryAfter
		switch e.Code {
		case oauth.CodeAccessDenied:
			p.Kind = KindDenied
			return p
		case oauth.CodeApplicationSuspended:
			p.Kind = KindSuspended
			return p
		case oauth.CodeUnverifiedUserEmail:
			p.Kind = KindEmail
			return p
		}
	}
	switch {
	case errors.Is(err, oauth.ErrSignInAgain), errors.Is(err, grant.ErrSignedOut):
		p.Kind = KindSignIn
	case errors.Is(err, oauth.ErrStartAgain):
		p.Kind = KindAttempt
	case errors.Is(err, oauth.ErrMisconfigured):
		p.Kind = KindConfig
	case errors.Is(err, oauth.ErrTryLater):
		p.Kind = KindUnavailable
		if b, ok := errors.AsType[*grant.BackoffError](err); ok {
			p.RetryAfter = b.RetryAfter
		}
		if g, ok := errors.AsType[*gateError](err); ok {
			p.RetryAfter = g.retryAfter
		}
		p.RetryAfter = max(p.RetryAfter, 5*time.Second)
	case isNoAnswer(err):
		p.Kind, p.RetryAfter = KindUnavailable, 5*time.Second
	}
	return p
}

// isNoAnswer says whether a call of an HTTP client ended without an answer, other than by the visitor's leaving.
func isNoAnswer(err error) bool {
	_, ok := errors.AsType[*url.Error](err)
	return ok && !errors.Is(err, context.Canceled)
}

// fail answers r with p: by the app's own handler, by a way to sign in, by a page, or by JSON.
func (a *Authenticator) fail(w http.ResponseWriter, r *http.Request, p *Problem) {
	w.Header().Set("Cache-Control", "no-store")
	if p.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((p.RetryAfter+time.Second-1)/time.Second)))
	}
	if p.ReturnTo == "" && isNavigation(r) && !a.isOnRoute(r) {
		p.ReturnTo = a.here(r)
	}
	if h, ok := a.pages[p.Kind]; ok {
		h(w, r, p)
		return
	}
	a.WriteProblem(w, r, p)
}

// WriteProblem answers r as if no handler of the app's were set: by a way to sign in, a page, or problem JSON. It is for such a
// handler ([WithErrorHandler]), which need not answer everybody itself.
func (a *Authenticator) WriteProblem(w http.ResponseWriter, r *http.Request, p *Problem) {
	if p.Kind == KindSignIn && isNavigation(r) {
		redirect(w, a.LoginURL(a.here(r)), http.StatusFound)
		return
	}
	if p.Kind == KindSignIn {
		w.Header().Set("WWW-Authenticate", `GitHub login="`+a.cfg.LoginPath+`"`)
	}
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if acceptsHTML(r) {
		a.writePage(w, r, p)
		return
	}
	a.writeJSON(w, p)
}

// problemTypes is where the kinds are explained; a kind follows.
const problemTypes = "https://github.com/ghlogin/ghlogin/blob/main/docs/errors.md#"

// writeJSON writes p as RFC 9457 says.
func (a *Authenticator) writeJSON(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status())
	body := struct {
		Type     string `json:"type"`
		Title    string `json:"title"`
		Status   int    `json:"status"`
		Detail   string `json:"detail"`
		Kind     Kind   `json:"kind"`
		Reason   string `json:"reason,omitempty"`
		LoginURL string `json:"login_url,omitempty"`
		MendURL  string `json:"mend_url,omitempty"`

		MissingScopes []string `json:"missing_scopes,omitempty"`
	}{
		Type: problemTypes + string(p.Kind), Title: p.Title(), Status: p.Status(), Detail: p.Detail(), Kind: p.Kind, MissingScopes: p.MissingScopes,
	}
	body.MendURL, _ = p.link()
	if e, ok := errors.AsType[*grant.SignInError](p.Err); ok {
		body.Reason = string(e.Reason)
	}
	if texts[p.Kind].retry {
		body.LoginURL = a.wayOn(p)
	}
	_ = json.NewEncoder(w).Encode(body) // The visitor is gone if this fails.
}

// wayOn is the link to the sign-in that would mend p.
func (a *Authenticator) wayOn(p *Problem) string {
	to := a.LoginURL(p.ReturnTo)
	if p.Kind == KindNotAllowed { // As the same account they would be refused again.
		to = a.SwitchAccountURL(p.ReturnTo)
	}
	if len(p.MissingScopes) > 0 {
		to = withQuery(to, url.Values{"scope": {strings.Join(p.MissingScopes, " ")}})
	}
	return to
}

// isNavigation tells a browser that goes to a page from a script that fetches data: only the former
// can be sent to GitHub and back.
func isNavigation(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" && mode != "navigate" {
		return false
	}
	return acceptsHTML(r)
}

// acceptsHTML says whether r asks for HTML by name: "*/*" is what scripts and curl send.
func acceptsHTML(r *http.Request) bool {
	for accept := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		media, params, _ := strings.Cut(accept, ";")
		if strings.EqualFold(strings.TrimSpace(media), "text/html") && strings.ReplaceAll(params, " ", "") != "q=0" {
			return true
		}
	}
	return false
}
