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

// sessions keeps {host, user id, login id} in scs sessions, and nothing else. What such a session is
// worth the grant decides, request by request: scs alone can't end a session for good, since a
// request that is under way may write back what another one destroyed.
type sessions struct {
	manager *scs.SessionManager
	own     bool   // Not the app's.
	key     string // In the session.
}

// ownSessions makes a session manager for apps that bring none. It is put together here because
// scs.New starts a goroutine for a store that we don't use.
func ownSessions(cfg Config, secure bool) *sessions {
	return &sessions{own: true, key: sessionKey(cfg), manager: &scs.SessionManager{
		Lifetime:         cfg.SessionLifetime,
		Store:            sessionStore{memory.New()},
		Codec:            scs.GobCodec{},
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

// load returns a context with the request's session in it. loaded says whether that happened here;
// if not, the app's own LoadAndSave stands around us, and saves what we change.
//
// Nothing is wrapped around the response: only our own routes change a session, and they save it
// themselves, so flushing and hijacking stay as they are for the handlers behind us.
func (s *sessions) load(r *http.Request) (ctx context.Context, loaded bool, err error) {
	var token string
	if c, err := r.Cookie(s.manager.Cookie.Name); err == nil {
		token = c.Value
	}
	before := r.Context()
	if s.own {
		before = bare{before}
	}
	ctx, err = s.manager.Load(before, token)
	if err != nil {
		return nil, false, fmt.Errorf("the session store did not answer: %w", err)
	}
	return ctx, ctx != before, nil
}

// save writes a session that was loaded here, with its cookie.
func (s *sessions) save(ctx context.Context, w http.ResponseWriter, loaded bool) error {
	if !loaded {
		return nil
	}
	switch s.manager.Status(ctx) {
	case scs.Modified:
		token, expiry, err := s.manager.Commit(ctx)
		if err != nil {
			return fmt.Errorf("the session store did not take the session: %w", err)
		}
		s.manager.WriteSessionCookie(ctx, w, token, expiry)
	case scs.Destroyed:
		s.manager.WriteSessionCookie(ctx, w, "", time.Time{})
	case scs.Unmodified:
	}
	return nil
}

// get returns who the session in ctx says is signed in.
func (s *sessions) get(ctx context.Context) (grant.Session, bool) {
	userID, loginID, ok := strings.Cut(s.manager.GetString(ctx, s.key), " ")
	if !ok || loginID == "" {
		return grant.Session{}, false
	}
	n, err := strconv.ParseInt(userID, 10, 64)
	return grant.Session{UserID: n, LoginID: loginID}, err == nil
}

// put signs in under a fresh session token, so that one which somebody planted before is worthless.
func (s *sessions) put(ctx context.Context, session grant.Session) error {
	if err := s.manager.RenewToken(ctx); err != nil {
		return fmt.Errorf("the session store did not renew the session: %w", err)
	}
	s.manager.Put(ctx, s.key, strconv.FormatInt(session.UserID, 10)+" "+session.LoginID)
	return nil
}

// remove signs out. The app's own session goes on without us, under a fresh token.
func (s *sessions) remove(ctx context.Context) error {
	if s.own {
		return s.manager.Destroy(ctx)
	}
	s.manager.Remove(ctx, s.key)
	return s.manager.RenewToken(ctx)
}
