package middleware

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
)

// cookieRenewal is the age at which a session's cookie is sealed anew, with the newest key, so that keys can be taken out
// that are older than this and nobody is signed out.
const cookieRenewal = 24 * time.Hour

// cookieSessions keeps sessions in sealed cookies, and nothing on the server: a fleet needs no session store. That is
// enough because a login that has ended is no longer in its grant, whatever cookie still names it.
type cookieSessions struct {
	sealer sealer
	name   string
	secure bool
	life   time.Duration
	idle   time.Duration // After which, without a request, a session is over; 0 is never.
}

// sealedSession is what such a cookie holds; its name, to which it is sealed, names host and app.
type sealedSession struct {
	UserID  int64  `json:"u"`
	LoginID string `json:"l"`
	Sealed  int64  `json:"s"` // Unix times in seconds.
	Expires int64  `json:"x"`
}

func newCookieSessions(cfg Config, keys []oauth.Secret, secure bool) (*cookieSessions, error) {
	s, err := newSealer(keys, "ghlogin session")
	if err != nil {
		return nil, err
	}
	return &cookieSessions{sealer: s, name: cookieName(cfg, secure) + "-session", secure: secure, life: cfg.SessionLifetime, idle: cfg.SessionIdleTimeout}, nil
}

func (s *cookieSessions) lifetime() time.Duration { return s.life }

func (s *cookieSessions) mayHave(r *http.Request) bool {
	_, err := r.Cookie(s.name)
	return err == nil
}

// open never fails: a cookie that does not open, or has run out, is none. If there are several of the name, as where
// somebody planted one, the first that opens counts, and one that was not used for too long only where there is no other.
func (s *cookieSessions) open(r *http.Request) (session, error) {
	now, found := time.Now(), cookieSession{of: s}
	for _, c := range r.CookiesNamed(s.name) {
		plain, ok := s.sealer.open(c.Value, s.name)
		var v sealedSession
		if ok && json.Unmarshal(plain, &v) == nil && now.Unix() < v.Expires && v.LoginID != "" {
			if found = (cookieSession{s, v, s.isIdle(v, now)}); !found.idle {
				break
			}
		}
	}
	return found, nil
}

// isIdle says whether a session was not used for too long. Each use would have sealed it anew, but for an eighth of the time.
func (s *cookieSessions) isIdle(v sealedSession, now time.Time) bool {
	return s.idle > 0 && now.Unix() >= time.Unix(v.Sealed, 0).Add(s.idle).Unix()
}

// renewal is the age at which a cookie is sealed anew.
func (s *cookieSessions) renewal() time.Duration {
	if s.idle > 0 {
		return min(cookieRenewal, s.idle/8)
	}
	return cookieRenewal
}

type cookieSession struct {
	of   *cookieSessions
	v    sealedSession
	idle bool // For too long.
}

func (s cookieSession) get() (grant.Session, bool) { return s.named(!s.idle) }

func (s cookieSession) idled() (grant.Session, bool) { return s.named(s.idle) }

func (s cookieSession) named(wanted bool) (grant.Session, bool) {
	if !wanted || s.v.LoginID == "" {
		return grant.Session{}, false
	}
	return grant.Session{UserID: s.v.UserID, LoginID: s.v.LoginID}, true
}

func (s cookieSession) put(w http.ResponseWriter, session grant.Session) error {
	return s.write(w, sealedSession{UserID: session.UserID, LoginID: session.LoginID, Expires: time.Now().Add(s.of.life).Unix()})
}

func (s cookieSession) remove(w http.ResponseWriter) error {
	http.SetCookie(w, s.of.cookie("", -1))
	return nil
}

// renew does not make the login last longer: that ends when it was to end.
func (s cookieSession) renew(w http.ResponseWriter) {
	if s.v.LoginID != "" && time.Since(time.Unix(s.v.Sealed, 0)) >= s.of.renewal() {
		// The response may be anybody's: a cache that keeps it must not hand the cookie on. A handler that says how long to keep it
		// takes the first of these back, and then it may be kept for this browser alone.
		w.Header().Add("Cache-Control", `no-cache="Set-Cookie"`)
		w.Header().Add("Vary", "Cookie")
		_ = s.write(w, s.v) // If it can't be sealed the old one goes on to count.
	}
}

func (s cookieSession) write(w http.ResponseWriter, v sealedSession) error {
	now := time.Now().Unix()
	v.Sealed = now
	plain, err := json.Marshal(v)
	if err != nil {
		return err
	}
	http.SetCookie(w, s.of.cookie(s.of.sealer.seal(plain, s.of.name), int(v.Expires-now)))
	return nil
}

func (s *cookieSessions) cookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure is off on loopback alone.
		Name:     s.name,
		Value:    value,
		Path:     "/",
		MaxAge:   maxAge,
		HttpOnly: true,
		Secure:   s.secure,
		SameSite: http.SameSiteLaxMode, // Strict would drop the session on a link from elsewhere.
	}
}
