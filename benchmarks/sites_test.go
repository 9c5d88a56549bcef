package benchmarks

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/alexedwards/scs/v2"
	gogithub "github.com/google/go-github/v92/github"
	"github.com/gorilla/sessions"
	"github.com/markbates/goth"
	"github.com/markbates/goth/gothic"
	gothgithub "github.com/markbates/goth/providers/github"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/endpoints"

	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/memory"
)

const (
	clientID     = "Iv23liExample"
	clientSecret = "a-client-secret-of-nobody"
	callbackURL  = "https://app.example/auth/github/callback"
	cookieKey    = "0123456789abcdef0123456789abcdef"
)

// site is a server with sign-in. It has four pages: /auth/github/login, /auth/github/callback, /identity, which says who is
// signed in, and /client, which takes a client of GitHub's API for them.
type site struct {
	name string
	make func(testing.TB, *github) http.Handler
}

// sites are a server without sign-in, this library, and its neighbors, each as its own documentation sets it up.
var sites = []site{
	{"bare", bare},
	{"scs", scsAlone},
	{"gothic", withGothic},
	{"byhand", byHand},
	{"ghlogin", inMemory},
	{"ghlogin-cookie", inCookies},
}

// bare has no sign-in: it is what the measurement itself costs.
func bare(testing.TB, *github) http.Handler {
	mux := http.NewServeMux()
	for _, path := range []string{"/identity", "/client", "/{$}"} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	}
	return mux
}

func inMemory(tb testing.TB, gh *github) http.Handler {
	tb.Helper()
	return ours(tb, gh)
}

func inCookies(tb testing.TB, gh *github) http.Handler {
	tb.Helper()
	return ours(tb, gh, middleware.WithCookieSessions(oauth.NewSecret(cookieKey)))
}

func ours(tb testing.TB, gh *github, opts ...middleware.Option) http.Handler {
	tb.Helper()
	cfg := middleware.Config{
		ClientID: clientID, ClientSecrets: []oauth.Secret{oauth.NewSecret(clientSecret)}, RedirectURL: callbackURL,
	}
	st := &counted{Store: memory.New()}
	auth, err := middleware.New(cfg, st, append(opts, middleware.WithHTTPClient(&http.Client{Transport: gh}))...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = auth.Close(context.WithoutCancel(tb.Context())) })
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /identity", func(w http.ResponseWriter, r *http.Request) {
		user, ok := middleware.UserFromContext(r.Context())
		answer(w, ok && user.Login != "")
	})
	mux.HandleFunc("GET /client", func(w http.ResponseWriter, r *http.Request) {
		client, ok := middleware.ClientFromContext(r.Context())
		answer(w, ok && client != nil)
	})
	return ourSite{auth.Middleware(mux), st}
}

// ourSite is one with this library, and the store that its grants are in.
type ourSite struct {
	http.Handler
	store *counted
}

// counted is a store in memory that counts how often it is asked.
type counted struct {
	*memory.Store
	reads, writes atomic.Int64
}

func (c *counted) Get(ctx context.Context, key string) (store.Entry, error) {
	c.reads.Add(1)
	return c.Store.Get(ctx, key)
}

func (c *counted) Put(ctx context.Context, key string, e store.Entry) (string, error) {
	c.writes.Add(1)
	return c.Store.Put(ctx, key, e)
}

// identity is what the neighbours' sessions hold, since none of them has a place for tokens.
type identity struct {
	ID    int64
	Login string
	Token string
}

// answer says whether the page found what it was to find, so that no site is measured that has nobody signed in.
func answer(w http.ResponseWriter, ok bool) {
	if ok {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.WriteHeader(http.StatusUnauthorized)
}

func newClient(w http.ResponseWriter, token string) {
	client, err := gogithub.NewClient(gogithub.WithAuthToken(token))
	answer(w, token != "" && err == nil && client != nil)
}

// scsAlone is x/oauth2 by hand with scs's sessions, gob codec and memstore, which are its defaults.
func scsAlone(_ testing.TB, gh *github) http.Handler {
	sessions := scs.New()
	mux := http.NewServeMux()
	flow(mux, gh, func(r *http.Request, _ http.ResponseWriter, key, value string) error {
		sessions.Put(r.Context(), key, value)
		return nil
	}, func(r *http.Request, key string) string { return sessions.PopString(r.Context(), key) },
		func(r *http.Request, _ http.ResponseWriter, id identity) error {
			if err := sessions.RenewToken(r.Context()); err != nil {
				return err
			}
			sessions.Put(r.Context(), "id", id.ID)
			sessions.Put(r.Context(), "login", id.Login)
			sessions.Put(r.Context(), "token", id.Token)
			return nil
		})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /identity", func(w http.ResponseWriter, r *http.Request) {
		answer(w, sessions.GetInt64(r.Context(), "id") != 0 && sessions.GetString(r.Context(), "login") != "")
	})
	mux.HandleFunc("GET /client", func(w http.ResponseWriter, r *http.Request) {
		newClient(w, sessions.GetString(r.Context(), "token"))
	})
	return sessions.LoadAndSave(mux)
}

// byHand is x/oauth2 with gorilla/sessions, in a cookie that is signed and encrypted.
func byHand(_ testing.TB, gh *github) http.Handler {
	store := sessions.NewCookieStore([]byte(cookieKey), []byte(cookieKey))
	save := func(r *http.Request, w http.ResponseWriter, values map[any]any) error {
		session, err := store.Get(r, "session")
		if err != nil {
			return err
		}
		clear(session.Values) // The attempt is over, and would make each later request dearer.
		maps.Copy(session.Values, values)
		return session.Save(r, w)
	}
	text := func(r *http.Request, key string) string {
		session, err := store.Get(r, "session")
		if err != nil {
			return ""
		}
		s, _ := session.Values[key].(string)
		return s
	}
	mux := http.NewServeMux()
	flow(mux, gh, func(r *http.Request, w http.ResponseWriter, key, value string) error {
		return save(r, w, map[any]any{key: value})
	}, text, func(r *http.Request, w http.ResponseWriter, id identity) error {
		return save(r, w, map[any]any{"id": id.ID, "login": id.Login, "token": id.Token})
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /identity", func(w http.ResponseWriter, r *http.Request) { answer(w, text(r, "login") != "") })
	mux.HandleFunc("GET /client", func(w http.ResponseWriter, r *http.Request) { newClient(w, text(r, "token")) })
	return mux
}

// flow is a sign-in with x/oauth2 by hand: state, PKCE, exchange, whose token it is. What put keeps, take reads once, or signIn
// drops.
func flow(mux *http.ServeMux, gh *github, put func(*http.Request, http.ResponseWriter, string, string) error,
	take func(*http.Request, string) string, signIn func(*http.Request, http.ResponseWriter, identity) error,
) {
	cfg := oauth2.Config{ClientID: clientID, ClientSecret: clientSecret, RedirectURL: callbackURL, Endpoint: endpoints.GitHub}
	cfg.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	client := &http.Client{Transport: gh}
	mux.HandleFunc("GET /auth/github/login", func(w http.ResponseWriter, r *http.Request) {
		state, verifier := rand.Text(), oauth2.GenerateVerifier()
		if err := put(r, w, "attempt", state+" "+verifier); err != nil {
			http.Error(w, "", http.StatusInternalServerError)
			return
		}
		http.Redirect(w, r, cfg.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier)), http.StatusFound)
	})
	mux.HandleFunc("GET /auth/github/callback", func(w http.ResponseWriter, r *http.Request) {
		var state, verifier string
		if _, err := fmt.Sscan(take(r, "attempt"), &state, &verifier); err != nil || state != r.URL.Query().Get("state") {
			http.Error(w, "", http.StatusBadRequest)
			return
		}
		ctx := context.WithValue(r.Context(), oauth2.HTTPClient, client)
		token, err := cfg.Exchange(ctx, r.URL.Query().Get("code"), oauth2.VerifierOption(verifier))
		if err != nil {
			http.Error(w, "", http.StatusBadGateway)
			return
		}
		api, err := gogithub.NewClient(gogithub.WithHTTPClient(cfg.Client(ctx, token)))
		if err != nil {
			http.Error(w, "", http.StatusInternalServerError)
			return
		}
		user, _, err := api.Users.Get(ctx, "")
		if err != nil {
			http.Error(w, "", http.StatusBadGateway)
			return
		}
		if err := signIn(r, w, identity{user.GetID(), user.GetLogin(), token.AccessToken}); err != nil {
			http.Error(w, "", http.StatusInternalServerError)
			return
		}
		http.Redirect(w, r, "/identity", http.StatusSeeOther)
	})
}

// withGothic is goth's gothic in its default store, a cookie. It ends its own session when a sign-in is complete, so the
// user is kept by its StoreInSession.
func withGothic(_ testing.TB, gh *github) http.Handler {
	provider := gothgithub.New(clientID, clientSecret, callbackURL)
	provider.HTTPClient = &http.Client{Transport: gh}
	goth.UseProviders(provider)
	gothic.Store = sessions.NewCookieStore([]byte(cookieKey))
	stored := func(r *http.Request) (id identity) {
		if text, err := gothic.GetFromSession("user", r); err == nil {
			_ = json.Unmarshal([]byte(text), &id)
		}
		return id
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /auth/github/login", func(w http.ResponseWriter, r *http.Request) {
		gothic.BeginAuthHandler(w, gothic.GetContextWithProvider(r, "github"))
	})
	mux.HandleFunc("GET /auth/github/callback", func(w http.ResponseWriter, r *http.Request) {
		user, err := gothic.CompleteUserAuth(w, gothic.GetContextWithProvider(r, "github"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		text, err := json.Marshal(identity{1, user.NickName, user.AccessToken})
		if err == nil {
			err = gothic.StoreInSession("user", string(text), r, w)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		http.Redirect(w, r, "/identity", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /identity", func(w http.ResponseWriter, r *http.Request) { answer(w, stored(r).Login != "") })
	mux.HandleFunc("GET /client", func(w http.ResponseWriter, r *http.Request) { newClient(w, stored(r).Token) })
	return mux
}
