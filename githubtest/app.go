package githubtest

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Kind tells the two kinds of app apart that GitHub knows.
type Kind int

// The kinds of app. They differ in token prefix, scopes, redirect URI rules and webhooks.
const (
	// OAuthApp has scopes and gho_ tokens.
	OAuthApp Kind = iota
	// GitHubApp has permissions in place of scopes, ghu_ tokens, installations and webhooks.
	GitHubApp
)

// String returns "OAuth App" or "GitHub App".
func (k Kind) String() string {
	if k == GitHubApp {
		return "GitHub App"
	}
	return "OAuth App"
}

// Lives of expiring tokens where an [App] doesn't set them (GitHub docs, Refreshing user access
// tokens).
const (
	// DefaultTokenLife is what expires_in says of an access token at GitHub, 28800 seconds.
	DefaultTokenLife = 8 * time.Hour
	// DefaultRefreshLife is what refresh_token_expires_in says at GitHub, 15897600 seconds.
	DefaultRefreshLife = 184 * 24 * time.Hour
)

// maxCallbacks is how many callback URLs an app may register (GitHub docs, About the user
// authorization callback URL).
const maxCallbacks = 10

// App is an app as its owner registers it at GitHub.
type App struct {
	// ClientID is made up in GitHub's form when empty.
	ClientID string
	// Secrets are the client secrets, all of them valid. One is made up when the list is empty.
	Secrets []string
	// Kind is OAuthApp unless set.
	Kind Kind
	// Name stands on the authorize page; "Test app" when empty.
	Name string
	// Slug is the name in URLs such as /apps/SLUG/installations/new; made from Name when empty.
	Slug string
	// Callbacks are the registered callback URLs, at most ten. The first is where errors go and
	// where a request without redirect_uri ends.
	Callbacks []string
	// ReadsMembers is a GitHub App's organization permission "Members", read-only, on every
	// organization. Without it memberships are not accessible to it. OAuth Apps have scopes instead.
	ReadsMembers bool
	// Wildcard lets a redirect_uri be below a callback or on a sub-domain of it for apps where that
	// isn't so anyway. An OAuth App with one callback always behaves in this way.
	Wildcard bool
	// NoExpiry makes tokens that live until they are revoked and come without a refresh token. An
	// OAuth App can still get an expiring one by the scope offline_access.
	NoExpiry bool
	// TokenLife is the life of an access token, 8 hours when zero.
	TokenLife time.Duration
	// RefreshLife is the life of a refresh token, 184 days when zero.
	RefreshLife time.Duration
	// Suspended apps get application_suspended at their callback.
	Suspended bool
	// WebhookURL receives github_app_authorization events of a GitHub App; none are sent when
	// empty.
	WebhookURL string
	// WebhookSecret signs webhooks; unsigned when empty, as at GitHub.
	WebhookSecret string
}

// Validate reports everything that is wrong with the registration, joined into one error.
func (a App) Validate() error {
	var errs []error
	if a.Kind != OAuthApp && a.Kind != GitHubApp {
		errs = append(errs, fmt.Errorf("kind %d is neither OAuthApp nor GitHubApp", a.Kind))
	}
	if len(a.Callbacks) > maxCallbacks {
		errs = append(errs, fmt.Errorf("%d callbacks, but an app has at most %d", len(a.Callbacks), maxCallbacks))
	}
	for _, c := range a.Callbacks {
		u, err := url.Parse(c)
		if err != nil || u.Scheme == "" || (u.Host == "" && u.Opaque == "") {
			errs = append(errs, fmt.Errorf("callback %q is not an absolute URL", c))
		}
	}
	if slices.Contains(a.Secrets, "") {
		errs = append(errs, errors.New("a client secret is empty"))
	}
	if a.TokenLife < 0 || a.RefreshLife < 0 {
		errs = append(errs, errors.New("a token's life is negative"))
	}
	if a.WebhookURL != "" {
		if u, err := url.Parse(a.WebhookURL); err != nil || u.Host == "" {
			errs = append(errs, fmt.Errorf("webhook URL %q is not an absolute URL", a.WebhookURL))
		}
	}
	return errors.Join(errs...)
}

// withDefaults fills what the owner left open.
func (a App) withDefaults() App {
	a.Secrets = slices.Clone(a.Secrets)
	a.Callbacks = slices.Clone(a.Callbacks)
	if a.ClientID == "" {
		prefix := "Ov23li"
		if a.Kind == GitHubApp {
			prefix = "Iv23li"
		}
		a.ClientID = prefix + rand.Text()[:14]
	}
	if len(a.Secrets) == 0 {
		a.Secrets = []string{randomHex(20)}
	}
	if a.Name == "" {
		a.Name = "Test app"
	}
	if a.Slug == "" {
		a.Slug = strings.ReplaceAll(strings.ToLower(a.Name), " ", "-")
	}
	if a.TokenLife == 0 {
		a.TokenLife = DefaultTokenLife
	}
	if a.RefreshLife == 0 {
		a.RefreshLife = DefaultRefreshLife
	}
	return a
}

// app is a registered App with the number that REST answers call its id.
type app struct {
	App
	id int64
}

// hasSecret reports whether secret is one of the app's client secrets.
func (a *app) hasSecret(secret string) bool {
	return secret != "" && slices.Contains(a.Secrets, secret)
}

// WithApp registers an app; see [Server.AddApp].
func WithApp(a App) Option { return func(s *Server) { s.AddApp(a) } }

// WithoutPKCE ignores code_challenge and code_verifier, as an Enterprise Server does that is too
// old to know them.
func WithoutPKCE() Option { return func(s *Server) { s.noPKCE = true } }

// AddApp registers an app and returns it with its made-up fields filled in. It panics on a
// registration that [App.Validate] refuses and on a client id that is taken.
func (s *Server) AddApp(a App) App {
	if err := a.Validate(); err != nil {
		panic("githubtest: bad app: " + err.Error())
	}
	a = a.withDefaults()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.apps[a.ClientID] != nil {
		panic("githubtest: client id " + a.ClientID + " is registered twice")
	}
	s.lastAppID++
	s.apps[a.ClientID] = &app{App: a, id: s.lastAppID}
	s.knowSecrets(a)
	return cloneApp(a)
}

// UpdateApp lets change edit the registration of clientID, as an owner does in the settings:
// callbacks, secrets, suspension, expiry of tokens issued from now on. The client id and the kind
// can't be changed. It panics on an unknown client id and on a registration that [App.Validate]
// refuses.
func (s *Server) UpdateApp(clientID string, change func(*App)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	reg := s.mustApp(clientID)
	edited := cloneApp(reg.App)
	change(&edited)
	edited.ClientID, edited.Kind = reg.ClientID, reg.Kind
	if err := edited.Validate(); err != nil {
		panic("githubtest: bad app: " + err.Error())
	}
	reg.App = edited.withDefaults()
	s.knowSecrets(reg.App)
}

// mustApp returns a registered app or panics; s.mu is held.
func (s *Server) mustApp(clientID string) *app {
	a := s.apps[clientID]
	if a == nil {
		panic("githubtest: no app with client id " + clientID)
	}
	return a
}

// appBySlug finds a GitHub App by its name in URLs; s.mu is held.
func (s *Server) appBySlug(slug string) *app {
	for _, a := range s.apps {
		if a.Slug == slug && a.Kind == GitHubApp {
			return a
		}
	}
	return nil
}

// knowSecrets remembers the app's secrets for [Server.Secrets]; s.mu is held.
func (s *Server) knowSecrets(a App) {
	s.know(a.Secrets...)
	if a.WebhookSecret != "" {
		s.know(a.WebhookSecret)
	}
}

func cloneApp(a App) App {
	a.Secrets, a.Callbacks = slices.Clone(a.Secrets), slices.Clone(a.Callbacks)
	return a
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b)
}
