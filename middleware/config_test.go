package middleware_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store/memory"
)

func goodConfig() middleware.Config {
	return middleware.Config{
		ClientID: "Iv1.example", ClientSecrets: []oauth.Secret{oauth.NewSecret("a-client-secret")},
		RedirectURL: "https://app.example/auth/github/callback",
	}
}

func TestEmptyConfigNamesAllThatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := middleware.New(middleware.Config{}, memory.New())
	if err == nil {
		t.Fatal("New took an empty config")
	}
	for _, want := range []string{"client id", "client secret", "redirect URL"} {
		if !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(want)) {
			t.Errorf("the error says nothing of the %s:\n%v", want, err)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*middleware.Config){
		"MountPath is":                 func(c *middleware.Config) { c.MountPath = "app/" },
		"not below MountPath":          func(c *middleware.Config) { c.MountPath = "/app" },
		"LoginPath is \"/a/../b\"":     func(c *middleware.Config) { c.LoginPath = "/a/../b" },
		"LogoutPath is \"/out?x\"":     func(c *middleware.Config) { c.LogoutPath = "/out?x" },
		"must differ":                  func(c *middleware.Config) { c.LoginPath = "/same"; c.LogoutPath = "/same" },
		"AfterLogin is \"//evil\"":     func(c *middleware.Config) { c.AfterLogin = "//evil" },
		"AfterLogout is \"https://x\"": func(c *middleware.Config) { c.AfterLogout = "https://x" },
		"SessionLifetime is -1":        func(c *middleware.Config) { c.SessionLifetime = -1 },
		"SessionIdleTimeout is 1s":     func(c *middleware.Config) { c.SessionIdleTimeout = time.Second },
		"CookieKeys[1] is shorter": func(c *middleware.Config) {
			c.CookieKeys = []oauth.Secret{oauth.NewSecret(strings.Repeat("k", 32)), oauth.NewSecret("short-cookie-key")}
		},
		"path of its own":    func(c *middleware.Config) { c.RedirectURL = "https://app.example/cb/" },
		"is not a scope":     func(c *middleware.Config) { c.Scopes = []string{"repo, user"} },
		"quotation marks":    func(c *middleware.Config) { c.ClientID = `"Iv1.example"` },
		"none of the routes": func(c *middleware.Config) { c.AfterLogin = "/auth/github/login" },
		"http":               func(c *middleware.Config) { c.RedirectURL = "http://app.example/cb" },
	} {
		cfg := goodConfig()
		change(&cfg)
		_, err := middleware.New(cfg, memory.New())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v, want an error with %q", err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "a-client-secret") || strings.Contains(err.Error(), "short-cookie-key")) {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
}

func TestForgottenArgumentsAreErrorsNotPanics(t *testing.T) {
	t.Parallel()
	if _, err := middleware.New(goodConfig(), nil); err == nil {
		t.Error("New took a nil store")
	}
	for name, opt := range map[string]middleware.Option{
		"WithLogger":         middleware.WithLogger(nil),
		"WithSessionManager": middleware.WithSessionManager(nil),
		"WithHTTPClient":     middleware.WithHTTPClient(nil),
		"WithErrorHandler":   middleware.WithErrorHandler(nil),
		"insecure sessions":  middleware.WithSessionManager(scs.New()),
		"empty sessions":     middleware.WithSessionManager(&scs.SessionManager{}),
		"unknown kind": middleware.WithErrorHandler(func(http.ResponseWriter, *http.Request, *middleware.Problem) {
		}, "no-such-kind"),
	} {
		if _, err := middleware.New(goodConfig(), memory.New(), opt); err == nil {
			t.Errorf("New took a wrong %s", name)
		}
	}
	a, err := middleware.New(goodConfig(), memory.New(), middleware.WithLogger(slog.Default()), middleware.WithHTTPClient(&http.Client{}))
	if err != nil {
		t.Fatal(err)
	}
	if got := a.LoginURL("/x?y=1") + " " + a.LoginURL("") + " " + a.LogoutPath(); got != "/auth/github/login?return_to=%2Fx%3Fy%3D1 /auth/github/login /auth/github/logout" {
		t.Errorf("paths = %q", got)
	}
}

//nolint:paralleltest // It sets the environment.
func TestConfigFromEnv(t *testing.T) {
	for name, value := range map[string]string{
		"GITHUB_CLIENT_ID": "Iv1.example", "GITHUB_CLIENT_SECRET": "new,old", "GITHUB_REDIRECT_URL": "https://app.example/cb",
		"GITHUB_SCOPES": "repo, read:org", "GITHUB_BASE_URL": "https://github.acme.example", "GITHUB_API_URL": "https://api.acme.example/v3",
	} {
		t.Setenv(name, value)
	}
	cfg, err := middleware.ConfigFromEnv()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.ClientID != "Iv1.example" || len(cfg.ClientSecrets) != 2 || cfg.ClientSecrets[1].Reveal() != "old" ||
		cfg.RedirectURL != "https://app.example/cb" || strings.Join(cfg.Scopes, " ") != "repo read:org" ||
		cfg.Host.Name != "github.acme.example" || cfg.Host.API != "https://api.acme.example/v3/" {
		t.Errorf("ConfigFromEnv = %+v", cfg)
	}
}

func TestConfigFromEnvNamesAllThatIsWrong(t *testing.T) {
	for _, name := range []string{"GITHUB_CLIENT_ID", "GITHUB_CLIENT_SECRET", "GITHUB_REDIRECT_URL", "GITHUB_SCOPES", "GITHUB_API_URL"} {
		t.Setenv(name, "")
	}
	t.Setenv("GITHUB_BASE_URL", "ftp://github.com")
	_, err := middleware.ConfigFromEnv()
	if err == nil {
		t.Fatal("an empty environment was taken")
	}
	for _, want := range []string{"GITHUB_BASE_URL", "GITHUB_CLIENT_ID", "GITHUB_CLIENT_SECRET", "GITHUB_REDIRECT_URL"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error says nothing of %s:\n%v", want, err)
		}
	}
}
