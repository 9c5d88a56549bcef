package middleware

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/store/memory"
)

// scsSessions keeps sessions in scs's. scs alone can't end one for good, since a request that is under way may
// write back what another one destroyed; the grant does.
type scsSessions struct {
	manager *scs.SessionManager
	own     bool   // Not the app's.
	key     string // In the session.
	idle    idleTimer
}

// ownSessions makes a session manager for apps that bring none. It is put together here because
// scs.New starts a goroutine for a store that we don't use.
func ownSessions(cfg Config, secure bool) *scsSessions {
	return &scsSessions{own: true, key: sessionKey(cfg), idle: idleTimer{cfg.SessionIdleTimeout, memory.New()}, manager: &scs.SessionManager{
		Lifetime:         cfg.SessionLifetime,
		Store:            sessionStore{memory.New()},
		Codec:            sessionCodec{sessionKey(cfg)},
		HashTokenInStore: true,
		Cookie: scs.SessionCookie{
			Name:     cookieName(cfg, secure),
			Path:     "/",
			Secure:   secure,
			HttpOnly: true,
			SameSite: http.SameSiteLaxMode, // Strict would drop the session on a link from elsewhere.
			Persist:  true,
		},
	}}
}

// bare hides a context's values. Our own manager keeps its session under a key that another manager
// which was not made by scs.New has, too.
type bare struct{ context.Context }

func (bare) Value(any) any { return nil }

func sessionKey(cfg Config) string { return "ghlogin:" + cfg.appID() }

func (s *scsSessions) lifetime() time.Duration { return s.manager.Lifetime }

// mayHave can't tell for an app's own manager: the app's LoadAndSave may have read another cookie.
func (s *scsSessions) mayHave(r *http.Request) bool {
	if !s.own {
		return true
	}
	_, err := r.Cookie(s.manager.Cookie.Name)
	return err == nil
}

// open loads the session, unless the app's own LoadAndSave stands around us and saves what we change.
//
// Nothing is wrapped around the response: only our own routes change a session, and they save it
// themselves, so flushing and hijacking stay as they are for the handlers behind us.
func (s *scsSessions) open(r *http.Request) (session, error) {
	var token string
	if c, err := r.Cookie(s.manager.Cookie.Name); err == nil {
		token = c.Value
	}
	before := r.Context()
	if s.own {
		before = bare{before}
	}
	ctx, err := s.manager.Load(before, token)
	if err != nil {
		return nil, fmt.Errorf("the session store did not answer: %w", err)
	}
	found := scsSession{of: s, ctx: ctx, loaded: ctx != before}
	if s.idle.most > 0 {
		found.idle, err = s.idle.isOver(s.manager.GetString(ctx, s.key))
	}
	return found, err
}

type scsSession struct {
	of     *scsSessions
	ctx    context.Context // That scs keeps it in.
	loaded bool            // By us.
	idle   bool            // For too long.
}

func (s scsSession) get() (grant.Session, bool) { return s.named(!s.idle) }

func (s scsSession) idled() (grant.Session, bool) { return s.named(s.idle) }

func (s scsSession) named(wanted bool) (grant.Session, bool) {
	userID, loginID, ok := strings.Cut(s.of.manager.GetString(s.ctx, s.of.key), " ")
	if !wanted || !ok || loginID == "" {
		return grant.Session{}, false
	}
	n, err := strconv.ParseInt(userID, 10, 64)
	return grant.Session{UserID: n, LoginID: loginID}, err == nil
}

// put signs in under a fresh session token, so that one which somebody planted before is worthless.
func (s scsSession) put(w http.ResponseWriter, session grant.Session) error {
	if err := s.of.manager.RenewToken(s.ctx); err != nil {
		return fmt.Errorf("the session store did not renew the session: %w", err)
	}
	text := strconv.FormatInt(session.UserID, 10) + " " + session.LoginID
	if s.of.idle.most > 0 {
		if err := s.of.idle.note(text, ""); err != nil {
			return err
		}
	}
	s.of.manager.Put(s.ctx, s.of.key, text)
	return s.save(w)
}

// remove signs out. The app's own session goes on without us, under a fresh token.
func (s scsSession) remove(w http.ResponseWriter) error {
	var err error
	if s.of.own {
		err = s.of.manager.Destroy(s.ctx)
	} else {
		s.of.manager.Remove(s.ctx, s.of.key)
		err = s.of.manager.RenewToken(s.ctx)
	}
	if err != nil {
		return err
	}
	return s.save(w)
}

// renew has nothing to do: scs's cookie holds nothing that ages.
func (s scsSession) renew(http.ResponseWriter) {}

// save writes a session that was loaded here, with its cookie.
func (s scsSession) save(w http.ResponseWriter) error {
	if !s.loaded {
		return nil
	}
	switch s.of.manager.Status(s.ctx) {
	case scs.Modified:
		token, expiry, err := s.of.manager.Commit(s.ctx)
		if err != nil {
			return fmt.Errorf("the session store did not take the session: %w", err)
		}
		s.of.manager.WriteSessionCookie(s.ctx, w, token, expiry)
	case scs.Destroyed:
		s.of.manager.WriteSessionCookie(s.ctx, w, "", time.Time{})
	case scs.Unmodified:
	}
	return nil
}
