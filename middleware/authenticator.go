package middleware

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store"
)

// Authenticator signs visitors of one web server in at one GitHub host. It is safe for concurrent
// use and does not change after [New]. End it with [Authenticator.Close].
type Authenticator struct {
	cfg      Config
	callback string // The path of the redirect URL.
	app      *oauth.Client
	grants   *grant.Manager
	sessions sessions
	attempts *attempts
	clients  clients
	log      *slog.Logger
	pages    map[Kind]ErrorHandler
	steps    steps
	gates    gatekeepers
	warned   sync.Once   // See warnOfMismatch.
	wrapped  atomic.Bool // Whether Middleware was called.
	noRoute  sync.Once   // See warnIfNotWrapped.
}

// New returns an Authenticator for the app in cfg that keeps tokens in st. The error names all that
// is wrong with cfg at once.
func New(cfg Config, st store.Store, opts ...Option) (*Authenticator, error) {
	if st == nil {
		return nil, errors.New("middleware: New needs a store.Store; memory.New() makes one for a single process")
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("middleware: the configuration can't be used:\n%w", err)
	}
	ownKeys := len(cfg.CookieKeys) > 0
	cfg = cfg.withDefaults()
	o := options{log: slog.New(slog.DiscardHandler), pages: make(map[Kind]ErrorHandler), gates: gates{interval: DefaultGateInterval, grace: DefaultGateGrace}}
	for _, opt := range opts {
		if opt == nil {
			return nil, errors.New("middleware: New: an option is nil")
		}
		if err := opt(&o); err != nil {
			return nil, err
		}
	}

	// Only http on loopback passes Validate, so leaving Secure out is never a production server's.
	secure := cfg.redirectURL().Scheme == "https"
	a := &Authenticator{cfg: cfg, callback: cfg.redirectURL().Path, log: o.log, pages: o.pages}
	var err error
	if a.app, err = oauth.New(cfg.oauth(), o.oauth...); err != nil {
		return nil, err
	}
	o.grant = append(o.grant, grant.WithLogger(o.log))
	if cfg.KeepTokens {
		o.grant = append(o.grant, grant.WithKeepTokens())
	}
	if cfg.RevokeAuthorization {
		o.grant = append(o.grant, grant.WithRevokeAuthorization())
	}
	if len(o.gates.all) > 0 {
		o.grant = append(o.grant, grant.WithAdmission(a.gates.admit))
	}
	if a.grants, err = grant.New(a.app, st, o.grant...); err != nil {
		return nil, err
	}
	a.clients.make = a.grants.HTTPClient
	a.openGates(o.gates)
	if a.attempts, err = newAttempts(cfg, secure); err != nil {
		return nil, fmt.Errorf("middleware: %w", err)
	}
	a.sessions, err = o.makeSessions(cfg, secure, ownKeys)
	return a, err
}

// Format prints nothing of what a holds, under every verb.
func (a *Authenticator) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "middleware.Authenticator")
}

// Manager returns the grants behind a, for work on behalf of users who are away and for signing them
// out everywhere.
func (a *Authenticator) Manager() *grant.Manager { return a.grants }

// Close ends what goes on behind requests; see [grant.Manager.Close]. Call it after the server has
// stopped.
func (a *Authenticator) Close(ctx context.Context) error { return a.grants.Close(ctx) }

// Middleware adds the login, callback and logout routes to next, and puts who is signed in into the
// context of every request that it passes on. It keeps nobody out: that is [Authenticator.Require].
//
// Requests that are not for those three paths all go to next, with the response writer as it came.
func (a *Authenticator) Middleware(next http.Handler) http.Handler {
	a.wrapped.Store(true)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if route := a.route(r); route != nil {
			route(w, r)
			return
		}
		a.warnOfMismatch(r)
		r, _ = a.identify(w, r)
		next.ServeHTTP(w, r)
	})
}

// route returns the handler of r if its path is one of ours. OPTIONS is left to the app, which may
// answer a browser's preflight for all its paths.
func (a *Authenticator) route(r *http.Request) http.HandlerFunc {
	if !a.isOnRoute(r) || r.Method == http.MethodOptions {
		return nil
	}
	switch a.cfg.MountPath + r.URL.Path {
	case a.cfg.LoginPath:
		return a.only(a.login, http.MethodGet, http.MethodHead)
	case a.callback:
		return a.only(a.finishLogin, http.MethodGet)
	default:
		return a.only(a.logout, http.MethodPost)
	}
}

func (a *Authenticator) isOnRoute(r *http.Request) bool {
	return a.isRoute(a.cfg.MountPath + r.URL.Path)
}

func (a *Authenticator) isRoute(path string) bool {
	return path == a.cfg.LoginPath || path == a.callback || path == a.cfg.LogoutPath
}

func (a *Authenticator) only(h http.HandlerFunc, methods ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		if slices.Contains(methods, r.Method) {
			h(w, r)
			return
		}
		w.Header().Set("Allow", strings.Join(methods, ", "))
		a.fail(w, r, &Problem{Kind: KindMethod})
	}
}

// Require passes on requests of users who are signed in. Others it sends to sign in and back, if
// they are a browser's navigation; the rest get 401 and problem JSON. While the store is away it
// answers 503: an outage signs nobody out.
//
// A navigation is a GET or HEAD whose Accept header names text/html and whose Sec-Fetch-Mode, if there is one, is navigate.
// A form that is posted too late gets 401 as a page, since what it holds would be lost on the way to GitHub and back.
//
// Responses get "Cache-Control: no-store" unless next sets its own, so that the back button shows
// nothing after a sign-out.
func (a *Authenticator) Require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := visitFrom(r.Context())
		if v == nil || (v.auth != nil && v.auth != a) {
			r, v = a.identify(w, r) // Mounted without Middleware around it, or inside another Authenticator's.
		}
		w.Header().Add("Vary", "Cookie")
		switch {
		case a.isLost(r):
			a.log.LogAttrs(r.Context(), slog.LevelError, "the login route did not reach Authenticator.Middleware: put that around the mux, and set Config.MountPath if a prefix is taken off before",
				slog.String("login_path", a.cfg.LoginPath))
			a.fail(w, r, &Problem{Kind: KindInternal})
		case v.err != nil:
			a.Fail(w, r, v.err)
		case !v.signedIn:
			a.warnIfNotWrapped(r.Context())
			a.fail(w, r, &Problem{Kind: KindSignIn})
		case v.needsLogin != "":
			a.Fail(w, r, &grant.SignInError{Reason: v.needsLogin})
		default:
			w.Header().Set("Cache-Control", "no-store")
			next.ServeHTTP(w, r)
		}
	})
}

// warnIfNotWrapped tells the operator why visitors who are sent to sign in meet a 404.
func (a *Authenticator) warnIfNotWrapped(ctx context.Context) {
	if !a.wrapped.Load() {
		a.noRoute.Do(func() {
			a.log.LogAttrs(ctx, slog.LevelError, "nothing answers the login route: put Authenticator.Middleware around the mux",
				slog.String("login_path", a.cfg.LoginPath))
		})
	}
}

// isLost says whether r is for the login route but arrived at a handler behind Require, which would
// send it there again and again: Middleware is missing, or does not know its MountPath.
func (a *Authenticator) isLost(r *http.Request) bool {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	return path == a.cfg.LoginPath && r.Method != http.MethodOptions // Which the route leaves to the app.
}

// warnOfMismatch tells the operator of the error that GitHub sends to the registered callback where
// that is another than the redirect URL, and which so nobody would see.
func (a *Authenticator) warnOfMismatch(r *http.Request) {
	if strings.Contains(r.URL.RawQuery, "error="+string(oauth.CodeRedirectURIMismatch)) {
		a.warned.Do(func() {
			a.log.LogAttrs(r.Context(), slog.LevelWarn, "GitHub says redirect_uri_mismatch: the redirect URL here is none of those registered on the app's page",
				slog.String("redirect_url", a.cfg.RedirectURL))
		})
	}
}

// identify finds out who r is from, and puts it into its context. Where several Authenticators stand
// around a handler, one at which nobody is signed in does not hide another's user.
func (a *Authenticator) identify(w http.ResponseWriter, r *http.Request) (*http.Request, *visit) {
	v := &visit{auth: a}
	if a.sessions.mayHave(r) {
		a.lookUp(w, r, v)
	}
	if outer := visitFrom(r.Context()); outer != nil && outer.signedIn && !v.signedIn {
		return r, v
	}
	return r.WithContext(context.WithValue(r.Context(), visitKey{}, v)), v
}

func (a *Authenticator) lookUp(w http.ResponseWriter, r *http.Request, v *visit) {
	session, err := a.sessions.open(r)
	if err != nil {
		v.err = &sessionError{err}
		return
	}
	login, ok := session.get()
	if !ok {
		return
	}
	standing, err := a.grants.Standing(r.Context(), login)
	if errors.Is(err, grant.ErrSignedOut) {
		return
	}
	session.renew(w) // It is in use also while the store or a gate can't be asked: an outage must not end it as idle.
	if v.err = err; err != nil {
		return
	}
	v.clients = a.clients.of(standing.User.ID)
	id := Identity{User: standing.User, HTTPClient: v.clients.http, Host: a.cfg.Host}
	if v.err = a.gates.of(id.User.ID).check(r.Context(), id, standing.Token); v.err != nil {
		return
	}
	v.signedIn, v.needsLogin, v.identity = true, standing.NeedsLogin, id
}
