package grant

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store"
)

const (
	// storeTimeout bounds one call of the store.
	storeTimeout = 5 * time.Second

	// leaseLength is how long others wait for a refresh whose owner went silent: the token request
	// (10 s), the write of its result, and some room.
	leaseLength = 30 * time.Second

	// defaultMargin is how long before its expiry a token is refreshed. Requests ride on the old
	// one meanwhile.
	defaultMargin = 5 * time.Minute
)

// Manager keeps the grants of one app on one GitHub host. It is safe for concurrent use. Several
// managers, in one process or in many, may share a store.
//
// Make one with [New], end it with [Manager.Close].
type Manager struct {
	app   *oauth.Client
	store store.Store
	log   *slog.Logger
	base  http.RoundTripper

	margin     time.Duration
	keepTokens bool

	host    string // The first segment of every key.
	owner   string // Names this manager in leases.
	flights singleflight.Group
	pending pending
	alive   checks
	cache   cache
	work    work
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

// WithTransport sets what carries the requests of [Manager.Client] to GitHub's API, instead of
// [http.DefaultTransport]. It must be safe for concurrent use and is shared by all users; nil is an
// error.
func WithTransport(base http.RoundTripper) Option {
	return func(m *Manager) error {
		if base == nil {
			return errors.New("grant: WithTransport: the transport is nil")
		}
		m.base = base
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

// WithRefreshMargin sets how long before its expiry a token is refreshed, by default 5 minutes. It
// is never more than a quarter of the token's life, and each process adds a random part of its own
// so that a fleet's replicas do not all move at one moment. Zero refreshes at the moment of expiry,
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
// reads the store each time, which is also what a store in this process is used with. While the store
// does not answer, a grant is served on for up to an hour. Less than zero is an error.
func WithStaleness(d time.Duration) Option {
	return func(m *Manager) error {
		if d < 0 {
			return fmt.Errorf("grant: WithStaleness(%v): want zero or more", d)
		}
		m.cache.staleness = d
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
		base:   http.DefaultTransport,
		margin: defaultMargin,
		cache:  cache{staleness: defaultStaleness},
		owner:  rand.Text(),
		host:   strings.NewReplacer("[", "", "]", "").Replace(app.Host().Name),
	}
	if local, ok := st.(interface{ Local() bool }); ok && local.Local() {
		m.cache.staleness = 0 // Asking the store costs no more than asking a cache.
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
	m.margin += jitter(m.margin / 4)
	return m, nil
}

// Host returns the GitHub host whose grants m keeps.
func (m *Manager) Host() oauth.Host { return m.app.Host() }

// Close waits for refreshes, their writes and revocations that are under way, until ctx ends. It
// then stops them and returns an error that says how many refreshed tokens could not be stored: the
// users they belong to must sign in again.
//
// From then on no refresh is started; tokens that are still good are served.
func (m *Manager) Close(ctx context.Context) error {
	err := m.work.close(ctx)
	if n := m.pending.count(); n > 0 {
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

// lookup returns the grant under key as it is stored, or was a moment ago: see [WithStaleness].
func (m *Manager) lookup(ctx context.Context, key string) (*record, error) {
	if r, ok := m.cache.get(key, m.cache.staleness); ok {
		return r, nil
	}
	if r, ok := m.cache.resting(key); ok {
		return r, nil
	}
	r, _, err := m.get(ctx, key)
	if _, away := errors.AsType[*StoreError](err); away && ctx.Err() == nil { // A caller who hangs up is no outage.
		if kept, ok := m.cache.get(key, outageStaleness); ok {
			m.cache.rest(key)
			return kept, nil
		}
	}
	return r, err
}

// read is lookup for the sake of the token: one that was refreshed and is still waiting to be stored is
// laid over what the store holds, and stands in for it while the store is away.
func (m *Manager) read(ctx context.Context, key string) (*record, error) {
	r, err := m.lookup(ctx, key)
	return m.withPending(key, r, err)
}

func (m *Manager) withPending(key string, r *record, err error) (*record, error) {
	if err != nil {
		if waiting, ok := m.pending.get(key); ok {
			return waiting.over(&waiting.began), nil
		}
		return nil, err
	}
	if waiting, ok := m.pending.get(key); ok {
		return waiting.over(r), nil
	}
	return r, nil
}

// get returns the grant under key as it is stored, with its version. No grant is an empty record
// with version "".
func (m *Manager) get(ctx context.Context, key string) (*record, string, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	asked := time.Now()
	e, err := m.store.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		m.cache.put(key, &record{}, asked)
		return &record{}, "", nil
	}
	if err != nil {
		return nil, "", &StoreError{Op: "get", Err: err}
	}
	r, err := decode(e.Value)
	if err == nil {
		m.cache.put(key, r, asked)
	}
	return r, e.Version, err
}

// put writes r over version.
func (m *Manager) put(ctx context.Context, key string, r *record, version string) error {
	value, err := r.encode()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	_, err = m.store.Put(ctx, key, store.Entry{Value: value, Version: version, Expires: r.expires(m.keepTokens)})
	if err == nil {
		m.cache.put(key, r, time.Now())
		return nil
	}
	m.cache.drop(key)
	if !errors.Is(err, store.ErrConflict) {
		return &StoreError{Op: "put", Err: err}
	}
	return err
}

// errUnchanged ends an update that has nothing to write.
var errUnchanged = errors.New("grant: nothing to change")

// update reads the grant under key, has change work on a copy, and writes that back, again and
// again until no other writer comes between. It returns the record as it was before and after. If
// change returns errUnchanged nothing is written, and that is no error; any other ends the update.
//
// Everything that is ever written goes through here, so every change to a grant says in one func
// what must still be true of it.
func (m *Manager) update(ctx context.Context, key string, change func(r *record) error) (before, after *record, err error) {
	after = new(record)
	for try := 0; ; try++ {
		now, version, err := m.get(ctx, key)
		if err != nil {
			return nil, nil, err
		}
		if try > 0 && now.WriteID == after.WriteID {
			// The last Put took effect and only its answer was lost: a conflict with ourselves.
			return before, now, nil
		}
		before, after = now, now.clone()
		switch err := change(after); {
		case errors.Is(err, errUnchanged):
			return before, before, nil
		case err != nil:
			return nil, nil, err
		}
		err = m.put(ctx, key, after, version)
		if err == nil {
			return before, after, nil
		}
		// A conflict means that somebody got on, so it can go on for as long as ctx does. An outage
		// can't: callers have better things to do than to wait it out.
		if !errors.Is(err, store.ErrConflict) && try >= 2 {
			return nil, nil, err
		}
		if pause(ctx, backoff(try, 5*time.Millisecond, 500*time.Millisecond)) != nil {
			return nil, nil, &StoreError{Op: "put", Err: err}
		}
	}
}
