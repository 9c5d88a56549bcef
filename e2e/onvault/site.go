package onvault

import (
	"context"
	"errors"
	"net/http"

	"github.com/alexedwards/scs/v2"

	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/store/vault"
)

// Settings is what a [Site] runs with.
type Settings struct {
	App           middleware.Config
	Vault         vault.Config
	RoleID        string // RoleID and SecretIDFile are the AppRole's.
	SecretIDFile  string
	SessionFolder string // SessionFolder holds the sessions, which outlive the site.
	StoreOptions  []vault.Option
	Options       []middleware.Option
}

// Site is a server with sign-in whose grants are in Vault. It serves GET /me, which asks GitHub who the
// visitor is. It is safe for concurrent use. End it with [Site.Close].
type Site struct {
	http.Handler

	store *vault.Store
	auth  *middleware.Authenticator
}

// Open logs in to Vault, checks how it is set up, and returns a site. Errors are those of [vault.Open],
// [vault.Store.Ping] and [middleware.New].
func Open(ctx context.Context, set Settings) (*Site, error) {
	st, err := vault.Open(ctx, set.Vault, vault.AppRole(set.RoleID, set.SecretIDFile), set.StoreOptions...)
	if err != nil {
		return nil, err
	}
	if err := st.Ping(ctx); err != nil {
		return nil, errors.Join(err, st.Close(ctx))
	}
	sessions := scs.New()
	sessions.Store = Sessions(set.SessionFolder)
	auth, err := middleware.New(set.App, st, append(set.Options, middleware.WithSessionManager(sessions))...)
	if err != nil {
		return nil, errors.Join(err, st.Close(ctx))
	}
	s := &Site{store: st, auth: auth}
	mux := http.NewServeMux()
	mux.Handle("GET /me", auth.Require(http.HandlerFunc(s.me)))
	s.Handler = auth.Middleware(mux)
	return s, nil
}

// me answers with the login that GitHub says the visitor has.
func (s *Site) me(w http.ResponseWriter, r *http.Request) {
	gh, ok := middleware.ClientFromContext(r.Context())
	if !ok {
		http.Error(w, "no client", http.StatusInternalServerError)
		return
	}
	user, _, err := gh.Users.Get(r.Context(), "")
	if err != nil {
		s.auth.Fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(user.GetLogin()))
}

// Close ends the site's work behind requests, and its log-in to Vault. Call it after the last request.
func (s *Site) Close(ctx context.Context) error {
	return errors.Join(s.auth.Close(ctx), s.store.Close(ctx))
}
