package middleware

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"runtime"
	"strings"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

// Gate decides who of those whom GitHub knows may come in. [AllowOrgs], [AllowTeams] and [AllowUsers] are gates, [AnyOf]
// joins some, and [GateFunc] makes one of a func. Set them with [WithGate], which says when they are asked.
type Gate interface {
	// Ask returns nil to let id in, and a [*Refusal] for a no. Any other error says that the question could not be
	// answered, by an outage or a rate limit, say: that is never a yes for somebody who signs in, and not at once a no for
	// somebody who is in. id.HTTPClient acts as the user; id.User is as of their sign-in, so trust its ID alone. Ask must
	// heed ctx, which ends after seconds, and is called by many goroutines at once.
	Ask(ctx context.Context, id Identity) error
}

// GateFunc is a func as a [Gate]. The log calls it by its name, and a gate of a type of your own by its String, or by the type.
type GateFunc func(ctx context.Context, id Identity) error

// Ask calls f.
func (f GateFunc) Ask(ctx context.Context, id Identity) error { return f(ctx, id) }

// String names the gate in the log, by the func's name in the source.
func (f GateFunc) String() string {
	return "GateFunc " + strings.TrimSuffix(runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name(), "-fm") // A method's value ends so.
}

// Refusal is a gate's no, as an error.
type Refusal struct { //nolint:errname // It is an answer, and reads so: return &Refusal{Reason: "..."}.
	// Kind is the problem that the visitor sees: [KindNotAllowed], also if it is empty, [KindSSO], [KindHidden] or
	// [KindNotApproved]. After the first of these the user's logins are ended; after the others they come back
	// as they were once the gate lets the user in again.
	Kind Kind

	// Reason is shown to the visitor instead of the kind's own text: say what they can do. It must hold no secret.
	Reason string

	// URL is a page at which the visitor can mend it, https; "" is none.
	URL string

	// MissingScopes are those of an OAuth App that the gate needs, for [KindHidden].
	MissingScopes []string
}

// Error implements error.
func (r *Refusal) Error() string {
	text := "middleware: the user may not come in: " + string(r.kind())
	switch {
	case r.Reason != "":
		text += ": " + r.Reason
	case r.Kind == KindNotApproved:
		text += ": an owner of the organization has to approve the OAuth App, or to install the GitHub App with the organization permission Members, read-only"
	}
	return text
}

func (r *Refusal) kind() Kind {
	switch r.Kind {
	case KindSSO, KindHidden, KindNotApproved:
		return r.Kind
	default:
		return KindNotAllowed
	}
}

// withoutRequest is r for somebody whose token is revoked right away: the link can't authorize that any more, but it can begin
// a sign-on, while which stands the next token is authorized when it is issued.
func (r *Refusal) withoutRequest() *Refusal {
	u, err := url.Parse(r.URL)
	if err != nil || !u.Query().Has("authorization_request") {
		return r
	}
	q := u.Query()
	q.Del("authorization_request")
	u.RawQuery = q.Encode()
	c := *r
	c.URL = u.String()
	return &c
}

// Defaults of [WithGateInterval] and [WithGateGrace].
const (
	DefaultGateInterval = 10 * time.Minute // How long a yes counts.
	DefaultGateGrace    = time.Hour        // How long it is served on when no gate answers.
)

// gates are what the options below set.
type gates struct {
	all             []Gate
	interval, grace time.Duration
}

// WithGate lets in only those whom every one of the gates lets in; see [AnyOf] for "one of them". Given again, it adds gates.
// None, or nil, is an error.
//
// Gates are asked at sign-in, after GitHub has said who it is and before anything is stored: whoever is refused, or can't be
// asked about, is never signed in, and the token is revoked. They are asked again while the user is signed in: at the
// first request after [WithGateInterval], and after each refresh or replacement of the token, before that request is
// served. After a no the user is a stranger to all handlers, and [Authenticator.Require] answers 403.
//
// What the gates said is remembered by each process for itself. Work by [grant.Manager.Client] is not gated.
func WithGate(gates ...Gate) Option {
	return func(o *options) error {
		if len(gates) == 0 {
			return errors.New("middleware: WithGate has no gates: name who may come in, as in WithGate(AllowOrgs(\"acme\")), or leave it out")
		}
		for _, g := range gates {
			if err := checkGate(g); err != nil {
				return fmt.Errorf("middleware: WithGate: %w", err)
			}
		}
		o.gates.all = append(o.gates.all, gates...)
		return nil
	}
}

// WithGateInterval sets for how long a gate's yes counts, by default 10 minutes: so long somebody who left the organization
// can go on. Each interval costs a user's rate limit at GitHub, 5,000 an hour, a call for an organization and two for a
// team. Less than a second is an error.
func WithGateInterval(d time.Duration) Option {
	return func(o *options) error {
		if d < time.Second {
			return fmt.Errorf("middleware: WithGateInterval(%v): want a second or more", d)
		}
		o.gates.interval = d
		return nil
	}
}

// WithGateGrace sets for how long somebody who is in may stay while the gates can't be asked, since their last yes, by default
// an hour; then they get 503. A process that never had an answer about them counts from when it first asked in vain, so a fleet
// gives up to an hour for each replica. It is bounded because a user who left can bring it about, by using up their rate
// limit. Zero gives none: what can't be asked in time is 503 at once. Less, and more than a day, is an error.
func WithGateGrace(d time.Duration) Option {
	return func(o *options) error {
		if d < 0 || d > 24*time.Hour {
			return fmt.Errorf("middleware: WithGateGrace(%v): want between 0 and 24h", d)
		}
		o.gates.grace = d
		return nil
	}
}

// openGates sets the gatekeeper up. The gates themselves were checked by their option.
func (a *Authenticator) openGates(o gates) {
	for i := range a.gates {
		k := &a.gates[i]
		k.gates, k.interval, k.grace = o.all, o.interval, o.grace
		k.host, k.log, k.end = a.cfg.Host, a.log, a.grants.SignOutEverywhere
	}
	needs := anyOf(o.all).scopes()
	a.steps.add(needs) // So that the page about a missing one can ask for it.
	missing := oauth.MissingScopes(a.cfg.Scopes, needs)
	// GitHub Apps have permissions instead of scopes. Their client ids begin so, and those of OAuth Apps don't.
	if isGitHubApp := strings.HasPrefix(a.cfg.ClientID, "Iv"); len(missing) > 0 && !isGitHubApp {
		a.log.Warn("the gates need scopes that no sign-in asks for: add them to Config.Scopes, or each new visitor meets a page that asks for them",
			"scopes", strings.Join(missing, " "))
	}
}

func checkGate(g Gate) error {
	if f, ok := g.(GateFunc); g == nil || ok && f == nil {
		return errors.New("a gate is nil")
	}
	if c, ok := g.(interface{ check() error }); ok {
		return c.check()
	}
	return nil
}

// gateScopes are the scopes of an OAuth App without which a gate can't see.
func gateScopes(g Gate) []string {
	if s, ok := g.(interface{ scopes() []string }); ok {
		return s.scopes()
	}
	return nil
}

// gateError says that the gates could not be asked about somebody.
type gateError struct {
	err        error
	retryAfter time.Duration
}

func (e *gateError) Error() string {
	return "middleware: whether the user may come in could not be asked: " + e.err.Error()
}

// Is matches [oauth.ErrTryLater] alone: what went wrong says nothing about the user's sign-in.
func (e *gateError) Is(target error) bool { return target == oauth.ErrTryLater }
