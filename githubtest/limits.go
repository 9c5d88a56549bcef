package githubtest

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Requests per hour (GitHub docs, Rate limits for the REST API).
const (
	userLimit     = 5000 // all tokens of a user together; also an app that calls with its client secret
	strangerLimit = 60   // without credentials, by address
)

// How many bad credentials lock out, and for how long. GitHub says "several" in "a short period"
// and gives no numbers (GitHub docs, Authenticating to the REST API); these are the fake's own.
const (
	defaultBadCredentials = 20
	defaultLockout        = time.Minute
)

// limits are the server's settings for both.
type limits struct {
	perHour        int // 0 for no rate limits at all
	badCredentials int // 0 for no lockout
	lockout        time.Duration
	buckets        map[string]*bucket
	addresses      map[string]*blocklist
}

func defaultLimits() limits {
	return limits{
		perHour: userLimit, badCredentials: defaultBadCredentials, lockout: defaultLockout,
		buckets: map[string]*bucket{}, addresses: map[string]*blocklist{},
	}
}

// WithRateLimit sets how many REST requests a user may send in an hour, 5000 without this option.
// Zero switches rate limits and their headers off for everybody, as an Enterprise Server comes;
// then benchmarks can run for long.
func WithRateLimit(perHour int) Option {
	return func(s *Server) { s.limits.perHour = perHour }
}

// WithBadCredentialsLimit sets how many requests with bad credentials within the period lock a user
// or a client address out, and that it is for the same period. Without this option it is 20 in a
// minute, since GitHub doesn't publish its numbers. Zero switches the lockout off.
func WithBadCredentialsLimit(requests int, period time.Duration) Option {
	return func(s *Server) { s.limits.badCredentials, s.limits.lockout = requests, period }
}

// bucket counts the requests of an hour.
type bucket struct {
	limit, used int
	reset       time.Time
}

// bucketFor returns the running hour of a key, or nil if there are no limits; s.mu is held.
func (s *Server) bucketFor(key string, limit int) *bucket {
	if s.limits.perHour == 0 {
		return nil
	}
	now := time.Now()
	b := s.limits.buckets[key]
	if b == nil || !now.Before(b.reset) {
		b = &bucket{limit: limit, reset: now.Add(time.Hour)}
		s.limits.buckets[key] = b
	}
	return b
}

func (b *bucket) remaining() int { return max(0, b.limit-b.used) }

// giveBack takes one request out of the count again.
func (b *bucket) giveBack() {
	if b != nil && b.used > 0 {
		b.used--
	}
}

// setHeaders writes the rate-limit headers (GitHub docs, Rate limits for the REST API).
func (b *bucket) setHeaders(h http.Header) {
	if b == nil {
		return
	}
	h.Set("X-RateLimit-Limit", strconv.Itoa(b.limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(b.remaining()))
	h.Set("X-RateLimit-Used", strconv.Itoa(b.used))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(b.reset.Unix(), 10))
	h.Set("X-RateLimit-Resource", "core")
}

// blocklist remembers bad credentials of one user or one address.
type blocklist struct {
	bad   []time.Time
	until time.Time
}

func (b *blocklist) blocked() bool { return b != nil && time.Now().Before(b.until) }

// countBad counts one more and locks out if there are too many; s.mu is held.
func (s *Server) countBad(b *blocklist) {
	if s.limits.badCredentials == 0 {
		return
	}
	now := time.Now()
	b.bad = slices.DeleteFunc(b.bad, func(t time.Time) bool { return now.Sub(t) >= s.limits.lockout })
	b.bad = append(b.bad, now)
	if len(b.bad) >= s.limits.badCredentials {
		b.until, b.bad = now.Add(s.limits.lockout), nil
	}
}

// addressBlocklist returns the record of a client address; s.mu is held.
func (s *Server) addressBlocklist(r *http.Request) *blocklist {
	address := clientAddress(r)
	b := s.limits.addresses[address]
	if b == nil {
		b = &blocklist{}
		s.limits.addresses[address] = b
	}
	return b
}
