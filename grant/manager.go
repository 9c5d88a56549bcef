package grant

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store"
)

// defaultMargin is how long before its expiry a token is refreshed.
const defaultMargin = 5 * time.Minute

// Manager keeps the grants of one app on one GitHub host. It is safe for concurrent use. Several
// managers, in one process or in many, may share a store.
//
// Make one with [New], end it with [Manager.Close].
type Manager struct {
	app   *oauth.Client
	store store.Store
	log   *slog.Logger
	base  http.RoundTripper
	wrap  func(userID int64, next http.RoundTripper) http.RoundTripper // Above a user's requests; nil for nothing.

	admission func(context.Context, oauth.User, *http.Client) error // Nil lets everybody in.

	margin     time.Duration
	keepTokens bool
	revokeAll  bool // Revoke the user's whole authorization with the last sign-out.

	host  string // The first segment of every key.
	owner string // Names this manager in leases.

	flights    singleflight.Group // Refreshes, one per user,
	refreshing sync.Map           // and since when: int64 → time.Time.

	reads   singleflight.Group // Reads of the store.
	order   atomic.Uint64      // Of reads and writes: see [cache.put].
	cache   cache
	pairs   pairs
	brake   brake
	seen    seen
	asking  chan struct{} // A place for each refresh that may be between claim and answer.
	checked checks
	noted   noted
	looking chan struct{} // A place for each grant that may be looked into at a time.
	watches watches
	work    work
	outside outside
	clock   func() time.Time // The time of day. What is waited for goes by a stopwatch instead.
}

// Option sets up a [Manager].
type Option func(*Manager) error

// WithLogger has the manager report sign-ins, sign-outs, refreshes and their failures. Records carry
// user ids and error codes, never a secret. Without it the manager is silent; nil is an error.
func WithLogger(log *slog.Logger) Option {
	return func(m *Manager) error {
		if log == nil {
			return errors.New("grant: WithLogger: the logger is nil; leave the option out for silence")
		}
		m.log = log
		return nil
	}
}

// WithTransport sets what carries the requests of [Manager.Client] to GitHub's API. It must be safe for concurrent use and is
// shared by all users; nil is an error. By default it is a copy of [http.DefaultTransport] that gives up when GitHub has not begun
// to answer within 30 seconds; where that is no [*http.Transport], or has a ResponseHeaderTimeout, it is used as it is.
func WithTransport(base http.RoundTripper) Option {
	return func(m *Manager) error {
		if base == nil {
			return errors.New("grant: WithTransport: the transport is nil")
		}
		m.base = base
		return nil
	}
}

// WithUserTransport has wrap stand around what carries one user's requests, above the token: for a cache that saves GitHub's
// rate limit by conditional requests, say, which must never be shared between users. wrap is called once for each
// client that is made, by many goroutines at once, and what it returns must be safe for concurrent use. Nil is an error.
func WithUserTransport(wrap func(userID int64, next http.RoundTripper) http.RoundTripper) Option {
	return func(m *Manager) error {
		if wrap == nil {
			return errors.New("grant: WithUserTransport: the func is nil")
		}
		m.wrap = wrap
		return nil
	}
}

// WithKeepTokens keeps a user's token when their last browser signs out, for work on their behalf
// while they are away. Without it the last sign-out forgets the token and revokes it at GitHub.
func WithKeepTokens() Option {
	return func(m *Manager) error {
		m.keepTokens = true
		return nil
	}
}

// WithRevokeAuthorization has the last sign-out, or with [WithKeepTokens] [Manager.Forget], take back all that the user granted
// to the app at GitHub, instead of this token alone. All of the user's tokens of the app end then, those of its other
// deployments too, the app leaves the list in the user's settings, and GitHub asks for consent at the next sign-in (GitHub docs,
// REST API endpoints for OAuth authorizations). A user who has signed in again before GitHub could be reached keeps it, and
// their earlier token alone is revoked. It is asked for behind the sign-out, so a sign-in that begins at the same moment can
// lose its code or its token by it, and has to be begun again.
func WithRevokeAuthorization() Option {
	return func(m *Manager) error {
		m.revokeAll = true
		return nil
	}
}

// WithRefreshMargin sets how long before its expiry a token is refreshed, by default 5 minutes. It
// is never more than a quarter of the token's life. Up to a quarter is added, by the token, so that users
// who signed in together do not move together. Zero refreshes at the moment of expiry,
// which makes requests wait; less is an error.
func WithRefreshMargin(d time.Duration) Option {
	return func(m *Manager) error {
		if d < 0 {
			return fmt.Errorf("grant: WithRefreshMargin(%v): want zero or more", d)
		}
		m.margin = d
		return nil
	}
}

// WithStaleness sets for how long a grant that was read is taken for current, by default 10 seconds: for
// so long a sign-out on another replica can go unnoticed, and so many fewer reads the store sees. Zero
// reads the store each time. While the store does not answer, a grant is served on for up to an hour. It does not matter
// for [store/memory], which says at no cost whether a grant is still current. Less than zero is an error.
func WithStaleness(d time.Duration) Option {
	return func(m *Manager) error {
		if d < 0 {
			return fmt.Errorf("grant: WithStaleness(%v): want zero or more", d)
		}
		m.cache.staleness = d
		return nil
	}
}

// WithCacheSize bounds how many users' grants are remembered, by default 10,240 at some 2 KiB each. One that does not
// fit costs a read of the store at each use. Less than one is an error; to remember nothing, see
// [WithStaleness].
func WithCacheSize(n int) Option {
	return func(m *Manager) error {
		if n < 1 {
			return fmt.Errorf("grant: WithCacheSize(%d): want one or more", n)
		}
		m.cache.size = n
		return nil
	}
}

// New returns a manager of the grants that users give to app, kept in st.
//
// One prefix of a store belongs to one app: a grant that was given to another client id counts as
// none, and the next sign-in replaces it.
func New(app *oauth.Client, st store.Store, opts ...Option) (*Manager, error) {
	if app == nil || st == nil {
		return nil, errors.New("grant: New needs an oauth.Client and a store.Store, neither of them nil")
	}
	m := &Manager{
		app:    app,
		store:  st,
		log:    slog.New(slog.DiscardHandler),
		base:   defaultTransport(),
		margin: defaultMargin,
		owner:  rand.Text(),
		clock:  time.Now,
		asking: make(chan struct{}, maxAsking),
		host:   strings.NewReplacer("[", "", "]", "").Replace(app.Host().Name),

		looking: make(chan struct{}, maxLooks),
	}
	m.cache.staleness, m.cache.size = defaultStaleness, defaultCacheSize
	m.seen.resolution = defaultLastSeen
	if local, ok := st.(interface {
		Current(key, version string) bool
	}); ok {
		m.cache.isCurrent = local.Current
	}
	m.work.start()
	for _, opt := range opts {
		if opt == nil {
			return nil, errors.New("grant: New: an option is nil")
		}
		if err := opt(m); err != nil {
			return nil, err
		}
	}
	if err := m.outside.open(m); err != nil {
		return nil, fmt.Errorf("grant: the meter provider refused an instrument: %w", err)
	}
	return m, nil
}

// Format prints nothing of what m holds, under every verb: by some of them fmt would follow m to its store, and that to the
// tokens in it.
func (m *Manager) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "grant.Manager") }

// Host returns the GitHub host whose grants m keeps.
func (m *Manager) Host() oauth.Host { return m.app.Host() }

// CheckApp asks GitHub whether it takes the app's credentials; see [oauth.Client.CheckApp].
func (m *Manager) CheckApp(ctx context.Context) error { return m.app.CheckApp(ctx) }

// Close waits for refreshes, their writes and revocations that are under way, until ctx ends. It
// then stops them and returns an error that says how many refreshed tokens could not be stored: the
// users they belong to must sign in again.
//
// From then on no refresh is started; tokens that are still good are served.
func (m *Manager) Close(ctx context.Context) error {
	err := m.work.close(ctx)
	m.outside.close()
	if n := m.pairs.count.Load(); n > 0 {
		return errors.Join(fmt.Errorf("grant: %d refreshed tokens could not be stored before the time was up; their users must sign in again", n), err)
	}
	if err != nil {
		return fmt.Errorf("grant: work at GitHub or the store was cut off: %w", err)
	}
	return nil
}

// key is where a user's grant stands: host and numeric id, because logins are renamed and reused.
func (m *Manager) key(userID int64) string {
	return m.host + "/" + strconv.FormatInt(userID, 10)
}
