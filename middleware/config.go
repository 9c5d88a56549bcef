package middleware

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store"
)

// DefaultSessionLifetime is how long a sign-in lasts where [Config.SessionLifetime] is zero. When it
// is over, a user whose GitHub session still stands is signed in again without a question.
const DefaultSessionLifetime = 7 * 24 * time.Hour

// Config is what comes from the environment or a file: data, no behavior, which is set
// by [Option]. The zero value of each field is the safe one.
type Config struct {
	// ClientID and ClientSecrets are the app's own, from its page at GitHub. The first secret that
	// GitHub takes is used: to replace one without an outage, put the new one beside the old.
	ClientID      string
	ClientSecrets []oauth.Secret

	// RedirectURL is the callback URL as registered at GitHub, for example
	// "https://example.com/auth/github/callback". Its path is the callback route. It must be https,
	// or http on a loopback address. Neither a Host header nor a proxy's can change it.
	RedirectURL string

	// Host is the GitHub to sign in at; zero is github.com. See [oauth.HostFromURL].
	Host oauth.Host

	// Scopes are asked for at sign-in. OAuth Apps only: a GitHub App has permissions instead.
	Scopes []string

	// OfflineAccess asks an OAuth App's tokens to expire and be refreshable, whatever the app's
	// settings say (GitHub docs, "Authorizing OAuth apps", scope offline_access).
	OfflineAccess bool

	// DisallowSignup hides GitHub's own sign-up from visitors without an account.
	DisallowSignup bool

	// MountPath is set when the middleware stands behind [http.StripPrefix] or a proxy that takes a
	// prefix off: that prefix, for example "/app". The other paths here are as the browser sees them.
	MountPath string

	// LoginPath and LogoutPath are the other two routes. By default they are "login" and "logout"
	// beside the callback.
	LoginPath, LogoutPath string

	// AfterLogin and AfterLogout are local paths to go to when nothing else was asked for; by
	// default MountPath + "/".
	AfterLogin, AfterLogout string

	// SessionLifetime is how long a sign-in lasts, whatever is done meanwhile; zero is
	// [DefaultSessionLifetime]. With [WithSessionManager] that manager's Lifetime counts instead.
	SessionLifetime time.Duration

	// SessionIdleTimeout is after how long without a request a sign-in ends in that browser, before its lifetime is over: an
	// eighth of it earlier at most. Zero is never. A page that polls is in use. The login leaves the user's list, and their
	// token is revoked if it was the last, when that browser signs in or out the next time, or else with its lifetime. With
	// [WithSessionManager] set that manager's IdleTimeout instead; both are an error.
	SessionIdleTimeout time.Duration

	// CookieKeys seal the cookies of sign-ins under way, and with [WithCookieSessions] those of sessions:
	// the first seals, every one opens. Each is 32 bytes or more of randomness, taken as it is. By
	// default they are derived from ClientSecrets, which cookie sessions don't take.
	CookieKeys []oauth.Secret

	// KeepTokens keeps a user's token after their last sign-out, for work on their behalf while they
	// are away. By default the token is then forgotten and revoked at GitHub.
	KeepTokens bool

	// RevokeAuthorization takes back, with a user's last sign-out, all that they granted to the app at GitHub, instead of this
	// token alone: see [grant.WithRevokeAuthorization]. A gate's no to who is signed in counts as such a sign-out. A login that
	// ends with its lifetime takes nothing back, nor does a gate's no to who signs in, upon which that token alone is revoked.
	RevokeAuthorization bool
}

// NewFromEnv is [ConfigFromEnv] and [New] in one.
func NewFromEnv(st store.Store, opts ...Option) (*Authenticator, error) {
	cfg, err := ConfigFromEnv()
	if err != nil {
		return nil, fmt.Errorf("middleware: the environment can't be used:\n%w", err)
	}
	return New(cfg, st, opts...)
}

// ConfigFromEnv reads a Config from the environment and validates it.
//
//	GITHUB_CLIENT_ID      the app's client id
//	GITHUB_CLIENT_SECRET  its secret; two, the new one first and a comma between, while one is replaced
//	GITHUB_REDIRECT_URL   the callback URL as registered at GitHub
//	GITHUB_SCOPES         scopes, separated by commas or spaces; optional
//	GITHUB_BASE_URL       an Enterprise Server or GHE.com instead of https://github.com; optional
//	GITHUB_API_URL        its API, where it does not stand where GitHub puts it; optional
//
// The error names all that is wrong at once.
func ConfigFromEnv() (Config, error) {
	cfg := Config{
		ClientID:    os.Getenv("GITHUB_CLIENT_ID"),
		RedirectURL: os.Getenv("GITHUB_REDIRECT_URL"),
		Scopes:      fields(os.Getenv("GITHUB_SCOPES")),
	}
	for _, secret := range fields(os.Getenv("GITHUB_CLIENT_SECRET")) {
		cfg.ClientSecrets = append(cfg.ClientSecrets, oauth.NewSecret(secret))
	}
	var problems []error
	if base := os.Getenv("GITHUB_BASE_URL"); base != "" {
		var err error
		if cfg.Host, err = oauth.HostFromURL(base); err != nil {
			problems = append(problems, fmt.Errorf("GITHUB_BASE_URL: %w", err))
		}
	}
	if api := os.Getenv("GITHUB_API_URL"); api != "" {
		if cfg.Host.Name == "" {
			cfg.Host = oauth.GitHub()
		}
		cfg.Host.API = strings.TrimSuffix(api, "/") + "/"
	}

	// What is missing is said once, by the name it has here; the rest is checked all the same.
	rest := cfg
	missing := func(name, what string) {
		problems = append(problems, fmt.Errorf("%s is not set: it is %s", name, what))
	}
	if cfg.ClientID == "" {
		missing("GITHUB_CLIENT_ID", "the client id on the app's page in GitHub's settings")
		rest.ClientID = "unset"
	}
	if len(cfg.ClientSecrets) == 0 {
		missing("GITHUB_CLIENT_SECRET", "a client secret, generated on the app's page in GitHub's settings")
		rest.ClientSecrets = []oauth.Secret{oauth.NewSecret("unset")}
	}
	if cfg.RedirectURL == "" {
		missing("GITHUB_REDIRECT_URL", "the callback URL registered on the app's page, such as https://example.com/auth/github/callback")
		rest.RedirectURL = "https://localhost/auth/github/callback"
	}
	return cfg, errors.Join(append(problems, rest.Validate())...)
}

func fields(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

// Validate reports all that is wrong with c at once, each with what to write instead. [New] calls it.
func (c Config) Validate() error {
	problems := []error{c.oauth().Validate(), oauth.ValidateScopes(c.Scopes)}
	problem := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf(format, args...))
	}

	d := c.withDefaults()
	for _, p := range []struct{ field, path string }{
		{"MountPath", d.MountPath}, {"LoginPath", d.LoginPath}, {"LogoutPath", d.LogoutPath},
	} {
		if p.path != "" && (p.path[0] != '/' || path.Clean(p.path) != p.path || strings.ContainsAny(p.path, "?#\\")) {
			problem("%s is %q: write a clean path such as /auth/github/login, without query or trailing slash", p.field, p.path)
		}
	}
	if callback := d.redirectURL().Path; callback == "" || callback == "/" || path.Clean(callback) != callback {
		problem("redirect url: give it a path of its own without a slash at the end, such as https://example.com/auth/github/callback")
	} else {
		for _, p := range []struct{ field, path string }{
			{"RedirectURL", callback}, {"LoginPath", d.LoginPath}, {"LogoutPath", d.LogoutPath},
		} {
			if !strings.HasPrefix(p.path, d.MountPath+"/") {
				problem("%s has the path %q, which is not below MountPath %q: write it as the browser sees it", p.field, p.path, d.MountPath)
			}
		}
		if callback == d.LoginPath || callback == d.LogoutPath || d.LoginPath == d.LogoutPath {
			problem("the callback (%s), LoginPath (%s) and LogoutPath (%s) must differ", callback, d.LoginPath, d.LogoutPath)
		}
	}
	for _, p := range []struct{ field, path string }{{"AfterLogin", d.AfterLogin}, {"AfterLogout", d.AfterLogout}} {
		to, err := url.Parse(localPath(p.path))
		if err != nil || to.Path == "" || to.Path == d.LoginPath || to.Path == d.LogoutPath || to.Path == d.redirectURL().Path {
			problem("%s is %q: write a local path such as /welcome, and none of the routes", p.field, p.path)
		}
	}
	if d.SessionIdleTimeout != 0 && d.SessionIdleTimeout < time.Minute {
		problem("SessionIdleTimeout is %v: write a minute or more, or 0 for none", d.SessionIdleTimeout)
	}
	if d.SessionLifetime < time.Minute {
		problem("SessionLifetime is %v: write a minute or more, or 0 for %v", d.SessionLifetime, DefaultSessionLifetime)
	}
	return errors.Join(append(problems, validateKeys("CookieKeys", c.CookieKeys)...)...)
}

// validateKeys checks keys that seal cookies.
func validateKeys(name string, keys []oauth.Secret) (problems []error) {
	for i, key := range keys {
		if len(key.Reveal()) < 32 {
			problems = append(problems, fmt.Errorf("%s[%d] is shorter than 32 bytes: make one with `openssl rand -base64 32`", name, i))
		}
	}
	return problems
}

// withDefaults returns c with its paths and times filled in. The redirect URL may be malformed.
func (c Config) withDefaults() Config {
	dir := path.Dir(c.redirectURL().Path)
	if c.LoginPath == "" {
		c.LoginPath = path.Join("/", dir, "login")
	}
	if c.LogoutPath == "" {
		c.LogoutPath = path.Join("/", dir, "logout")
	}
	if c.AfterLogin == "" {
		c.AfterLogin = c.MountPath + "/"
	}
	if c.AfterLogout == "" {
		c.AfterLogout = c.MountPath + "/"
	}
	if c.SessionLifetime == 0 {
		c.SessionLifetime = DefaultSessionLifetime
	}
	if len(c.CookieKeys) == 0 {
		c.CookieKeys = c.ClientSecrets
	}
	if c.Host.Name == "" {
		c.Host = oauth.GitHub()
	}
	return c
}

// appID tells apps apart that share a browser or a session: by their GitHub host and client id.
func (c Config) appID() string {
	sum := sha256.Sum256([]byte(c.Host.Name + " " + c.ClientID))
	return hex.EncodeToString(sum[:4])
}

// redirectURL is parsed; it is empty if RedirectURL can't be.
func (c Config) redirectURL() *url.URL {
	u, err := url.Parse(c.RedirectURL)
	if err != nil {
		return new(url.URL)
	}
	return u
}

func (c Config) oauth() oauth.Config {
	return oauth.Config{
		Host:          c.Host,
		ClientID:      c.ClientID,
		ClientSecrets: c.ClientSecrets,
		RedirectURL:   c.RedirectURL,
	}
}
