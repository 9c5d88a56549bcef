package middleware

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
)

// Option sets how an [Authenticator] behaves.
type Option func(*options) error

type options struct {
	log      *slog.Logger
	sessions *scs.SessionManager
	cookies  bool
	keys     []oauth.Secret // Of the cookies.
	pages    map[Kind]ErrorHandler
	oauth    []oauth.Option
	grant    []grant.Option
	gates    gates
}

// WithLogger has sign-ins, sign-outs, refreshes and failures reported to log. Records carry user ids
// and error codes, never a secret. Without it the library is silent; nil is an error.
func WithLogger(log *slog.Logger) Option {
	return func(o *options) error {
		if log == nil {
			return errors.New("middleware: WithLogger: the logger is nil; leave the option out for silence")
		}
		o.log = log
		return nil
	}
}

// WithSessionManager keeps sign-ins in the app's own scs sessions, instead of in a manager of our
// own with sessions in memory; nil is an error, and so is a cookie without HttpOnly, or without Secure
// where the redirect URL is https. Set the manager up before [New].
//
// The app's own LoadAndSave may stand around [Authenticator.Middleware] or within it, wherever the
// app's handlers need it; our routes load and save the session themselves.
//
// A session that its IdleTimeout, or a store that forgets, ends without a word leaves its login in the grant: the user's next
// sign-out is not their last, and does not revoke their token, before that login's lifetime is over.
func WithSessionManager(m *scs.SessionManager) Option {
	return func(o *options) error {
		if m == nil {
			return errors.New("middleware: WithSessionManager: the session manager is nil")
		}
		o.sessions = m
		return nil
	}
}

// WithCookieSessions keeps sign-ins in a sealed cookie of the browser's, and no session on the server, so that a fleet needs no
// session store: the cookie names a login, and whether that stands the grant says. The grants stay in the store, which several
// processes, or one that is to outlive a restart, must share.
//
// It needs keys, here or as [Config.CookieKeys], the same on all replicas: with ones derived from the client secrets, as the
// cookies of sign-ins under way have by default, everybody would be signed out when a secret is replaced. A key is any text of
// 32 bytes or more that is random, taken as it is; less is an error.
//
// The first key seals and every key opens. To replace one, put the new key behind the old one on all replicas, then in
// front; take the old one out after a day, and whoever was there meanwhile stays signed in, because their cookie has been
// sealed anew; after SessionLifetime, and everybody does.
//
// Any response of [Authenticator.Middleware] may bring the cookie, sealed anew, with "Vary: Cookie". Some CDNs don't heed that:
// what they are to keep for everybody, serve outside of it.
func WithCookieSessions(keys ...oauth.Secret) Option {
	return func(o *options) error {
		if err := errors.Join(validateKeys("WithCookieSessions: key", keys)...); err != nil {
			return fmt.Errorf("middleware: %w", err)
		}
		o.cookies, o.keys = true, keys
		return nil
	}
}

// makeSessions makes what keeps sign-ins between requests.
func (o *options) makeSessions(cfg Config, secure, ownKeys bool) (sessions, error) {
	switch {
	case o.cookies && o.sessions != nil:
		return nil, errors.New("middleware: WithCookieSessions and WithSessionManager are both set: take one of them out")
	case o.cookies && len(o.keys) == 0 && !ownKeys:
		return nil, errors.New("middleware: WithCookieSessions has no keys: give it one, or set Config.CookieKeys, made with `openssl rand -base64 32`")
	case o.cookies:
		keys := o.keys
		if len(keys) == 0 {
			keys = cfg.CookieKeys
		}
		return newCookieSessions(cfg, keys, secure)
	case o.sessions == nil:
		return ownSessions(cfg, secure), nil
	case cfg.SessionIdleTimeout != 0:
		return nil, errors.New("middleware: SessionIdleTimeout is for sessions of our own: set the session manager's IdleTimeout instead")
	case o.sessions.Store == nil || o.sessions.Codec == nil || o.sessions.Lifetime <= 0:
		return nil, errors.New("middleware: the session manager has no store, codec or lifetime: make it with scs.New()")
	}
	if cookie := o.sessions.Cookie; secure && !cookie.Secure || !cookie.HttpOnly {
		return nil, errors.New("middleware: the session manager's cookie is open to eavesdroppers or scripts: set its Cookie.Secure and Cookie.HttpOnly to true")
	}
	return &scsSessions{manager: o.sessions, key: sessionKey(cfg)}, nil
}

// WithHTTPClient sets the client for all requests to GitHub: for a proxy, a CA of one's own, or a
// test. Its Transport also carries the users' API requests, as it is: see [grant.WithTransport]. Nil is an error.
func WithHTTPClient(c *http.Client) Option {
	return func(o *options) error {
		if c == nil {
			return errors.New("middleware: WithHTTPClient: the client is nil")
		}
		o.oauth = append(o.oauth, oauth.WithHTTPClient(c))
		if c.Transport != nil {
			o.grant = append(o.grant, grant.WithTransport(c.Transport))
		}
		return nil
	}
}

// WithStaleness sets for how long a replica may be unaware of a sign-out on another one, by default 10
// seconds; zero reads the store for each request. See [grant.WithStaleness].
func WithStaleness(d time.Duration) Option {
	return func(o *options) error {
		if d < 0 {
			return errors.New("middleware: WithStaleness: the time is less than zero")
		}
		o.grant = append(o.grant, grant.WithStaleness(d))
		return nil
	}
}

// WithLastSeen sets how exactly it is noted when a login was last used, by default to the hour, for one read and one write of
// the store in that time and login; zero notes nothing. See [Authenticator.Logins] and [grant.WithLastSeen].
func WithLastSeen(resolution time.Duration) Option {
	return func(o *options) error {
		o.grant = append(o.grant, grant.WithLastSeen(resolution))
		return nil
	}
}

// WithObserver has f called for each sign-in, sign-out, refresh and every other turn of a user's grant. See
// [grant.WithObserver] for what f may do; nil is an error.
func WithObserver(f func(context.Context, grant.Event)) Option {
	return func(o *options) error {
		if f == nil {
			return errors.New("middleware: WithObserver: the func is nil")
		}
		o.grant = append(o.grant, grant.WithObserver(f))
		return nil
	}
}

// WithTracerProvider sets where spans go, by default OpenTelemetry's global provider; nil is an error. See
// [grant.WithTracerProvider].
func WithTracerProvider(p trace.TracerProvider) Option {
	return func(o *options) error {
		if p == nil {
			return errors.New("middleware: WithTracerProvider: the provider is nil")
		}
		o.grant = append(o.grant, grant.WithTracerProvider(p))
		return nil
	}
}

// WithMeterProvider sets where metrics go, by default OpenTelemetry's global provider; nil is an error. See
// [grant.WithMeterProvider] for their names.
func WithMeterProvider(p metric.MeterProvider) Option {
	return func(o *options) error {
		if p == nil {
			return errors.New("middleware: WithMeterProvider: the provider is nil")
		}
		o.grant = append(o.grant, grant.WithMeterProvider(p))
		return nil
	}
}

// WithUserTransport has wrap stand around what carries one user's requests to GitHub's API, above the token; nil is an error. It
// is called once for each user whose clients are made, and those of the users who were here last are kept: a cache in it
// lives as long, and is no other user's. See [grant.WithUserTransport].
func WithUserTransport(wrap func(userID int64, next http.RoundTripper) http.RoundTripper) Option {
	return func(o *options) error {
		if wrap == nil {
			return errors.New("middleware: WithUserTransport: the func is nil")
		}
		o.grant = append(o.grant, grant.WithUserTransport(wrap))
		return nil
	}
}

// WithErrorHandler has h answer problems of the given kinds, or of all but [KindSignIn] if none is given, instead
// of our own page or problem JSON. Of several handlers for a kind the last counts. Nil is an error.
//
// With [KindSignIn] h also answers browsers that would have been sent to sign in: it can send them to
// [Authenticator.LoginURL] of the problem's ReturnTo. Cache-Control and Retry-After are set before h is called; the status,
// [Problem.Status], is for h to write.
//
// Scripts meet h, too: what names no text/html in its Accept header had better get JSON, and [Authenticator.WriteProblem] writes
// ours. A problem of a sign-in is answered at the address of the callback, so links in the page need whole paths.
// docs/errors.md has an example.
func WithErrorHandler(h ErrorHandler, kinds ...Kind) Option {
	return func(o *options) error {
		if h == nil {
			return errors.New("middleware: WithErrorHandler: the handler is nil")
		}
		if len(kinds) == 0 {
			for kind := range texts {
				if kind != KindSignIn {
					kinds = append(kinds, kind)
				}
			}
		}
		for _, kind := range kinds {
			if _, ok := texts[kind]; !ok {
				return errors.New("middleware: WithErrorHandler: there is no kind " + string(kind))
			}
			o.pages[kind] = h
		}
		return nil
	}
}
