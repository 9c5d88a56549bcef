package fxmodule_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"
	"go.uber.org/goleak"

	"github.com/ghlogin/ghlogin/fxmodule"
	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/memory"
	"github.com/ghlogin/ghlogin/store/sealed"
	"github.com/ghlogin/ghlogin/store/vault"
)

func TestMain(m *testing.M) {
	// scs.New starts it, and nothing can end it without a data race.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/alexedwards/scs/v2/memstore.(*MemStore).startCleanup"))
}

var config = middleware.Config{
	ClientID:      "Iv23liExample",
	ClientSecrets: []oauth.Secret{oauth.NewSecret("a-client-secret")},
	RedirectURL:   "https://app.example/auth/github/callback",
}

func TestModuleProvidesTheAuthenticatorAndItsManager(t *testing.T) {
	t.Parallel()
	var (
		auth   *middleware.Authenticator
		grants *grant.Manager
	)
	app := fxtest.New(t, fxmodule.Module, fxmodule.Memory, fx.Supply(config), fx.Populate(&auth, &grants))
	app.RequireStart()
	if auth == nil || auth.Manager() != grants {
		t.Error("the manager is not the authenticator's")
	}
	app.RequireStop()
	if _, err := grants.Token(t.Context(), 1); !errors.Is(err, oauth.ErrSignInAgain) {
		t.Errorf("Token after the stop = %v", err)
	}
}

// Everything that is optional is taken where it is there.
func TestModuleTakesWhatTheAppHas(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	sessions := scs.New()
	sessions.Cookie.Name = "app-session"
	sessions.Cookie.Secure = true
	page := func(w http.ResponseWriter, _ *http.Request, _ *middleware.Problem) { w.WriteHeader(http.StatusTeapot) }
	var auth *middleware.Authenticator
	app := fxtest.New(t, fxmodule.Module, fxmodule.Memory,
		fx.Supply(config, sessions, slog.New(slog.NewTextHandler(&log, nil))),
		fxmodule.Option(middleware.WithErrorHandler(page, middleware.KindAttempt)),
		fx.Populate(&auth))
	app.RequireStart()
	defer app.RequireStop()
	wantTeapot(t, auth)
}

// wantTeapot meets the problem that the app answers by a page of its own.
func wantTeapot(t *testing.T, auth *middleware.Authenticator) {
	t.Helper()
	rec := httptest.NewRecorder()
	auth.Middleware(http.NotFoundHandler()).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "https://app.example/auth/github/callback?code=x&state=y", nil))
	if rec.Code != http.StatusTeapot {
		t.Errorf("a callback without an attempt = %d, want the app's own page", rec.Code)
	}
}

// A gate that needs the application's database is made by fx, too.
func TestOptionTakesWhatTheApplicationProvides(t *testing.T) {
	t.Parallel()
	type teapot int
	var auth *middleware.Authenticator
	app := fxtest.New(t, fxmodule.Module, fxmodule.Memory, fx.Supply(config, teapot(http.StatusTeapot)),
		fxmodule.OptionFrom(func(status teapot) (middleware.Option, error) {
			return middleware.WithErrorHandler(func(w http.ResponseWriter, _ *http.Request, _ *middleware.Problem) { w.WriteHeader(int(status)) },
				middleware.KindAttempt), nil
		}),
		fx.Populate(&auth))
	app.RequireStart()
	defer app.RequireStop()
	wantTeapot(t, auth)
}

// A gate that was provided like anything else had no effect: fx made nobody's value of it, said nothing, and everybody came in.
func TestOptionThatNobodyWouldTakeIsAnError(t *testing.T) {
	t.Parallel()
	gate := fx.Provide(func() middleware.Option { return middleware.WithGate(middleware.AllowOrgs("acme")) })
	err := fx.New(fxmodule.Module, fxmodule.Memory, fx.Supply(config), gate, fx.NopLogger, fx.Invoke(func(*middleware.Authenticator) {})).Err()
	if err == nil || !strings.Contains(err.Error(), "fxmodule.OptionFrom") {
		t.Errorf("a stray option: %v", err)
	}
}

func TestWiringIsCompleteAndCanBeValidatedWithoutRunning(t *testing.T) {
	t.Parallel()
	for name, parts := range map[string][]fx.Option{
		"memory": {fxmodule.Memory},
		"vault":  {fxmodule.Vault, fx.Provide(vault.ConfigFromEnv)},
	} {
		if err := fx.ValidateApp(append(parts, fxmodule.Module, fx.Provide(middleware.ConfigFromEnv),
			fx.Invoke(func(*middleware.Authenticator, *grant.Manager) {}))...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The message is fx's, and the type that it names is the thing to provide.
func TestMissingPartIsNamed(t *testing.T) {
	t.Parallel()
	needs := fx.Invoke(func(*middleware.Authenticator) {})
	for want, opts := range map[string][]fx.Option{
		"missing type: middleware.Config": {fxmodule.Module, fxmodule.Memory, needs},
		"missing type: store.Store":       {fxmodule.Module, fx.Supply(config), needs},
		"missing type: vault.Login":       {fxmodule.Module, fx.Supply(config), fxmodule.Vault, fx.Supply(vault.Config{}), needs},
	} {
		err := fx.New(append(opts, fx.NopLogger)...).Err()
		if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "types", "type"), want) {
			t.Errorf("error %v, want that it says %q", err, want)
		}
	}
}

func TestBadConfigurationFailsTheAppWithAllThatIsWrong(t *testing.T) {
	t.Parallel()
	err := fx.New(fxmodule.Module, fxmodule.Memory, fx.Supply(middleware.Config{}), fx.NopLogger,
		fx.Invoke(func(*middleware.Authenticator) {})).Err()
	for _, want := range []string{"client id", "client secret", "redirect url"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want that it names %s", err, want)
		}
	}
}

// Parts can be decorated and replaced by fx's own means.
func TestStoreCanBeDecorated(t *testing.T) {
	t.Parallel()
	key, err := sealed.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	var below, above store.Store
	app := fxtest.New(t, fxmodule.Module, fxmodule.Memory, fx.Supply(config),
		fx.Decorate(func(st store.Store) (store.Store, error) {
			below = st
			return sealed.New(st, []sealed.Key{key})
		}),
		fx.Invoke(func(st store.Store, _ *middleware.Authenticator) { above = st }))
	app.RequireStart()
	defer app.RequireStop()
	if _, err := above.Put(t.Context(), "github.com/1", store.Entry{Value: []byte("a token")}); err != nil {
		t.Fatal(err)
	}
	e, err := below.Get(t.Context(), "github.com/1")
	if err != nil || strings.Contains(string(e.Value), "token") {
		t.Errorf("what stands in the store below is %q, %v; want it sealed", e.Value, err)
	}
}

func TestPartsCanBeReplaced(t *testing.T) {
	t.Parallel()
	mine := memory.New()
	var (
		st   store.Store
		auth *middleware.Authenticator
	)
	own := config
	own.LoginPath = "/sign-in"
	app := fxtest.New(t, fxmodule.Module, fxmodule.Memory, fx.Supply(config), fx.Replace(own),
		fx.Replace(fx.Annotate(mine, fx.As(new(store.Store)))), fx.Populate(&st, &auth))
	app.RequireStart()
	defer app.RequireStop()
	if st != store.Store(mine) || !strings.HasPrefix(auth.LoginURL("/"), "/sign-in") {
		t.Errorf("store %T, login URL %s", st, auth.LoginURL("/"))
	}
}

func TestAbsentVaultFailsTheStartWithASentenceInTime(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(nil)
	gone.Close()
	app := fx.New(fxmodule.Module, fxmodule.Vault, fx.Supply(config, vault.Config{Address: gone.URL, Timeout: time.Second}), fx.NopLogger,
		fx.Provide(func() vault.Login { return vault.Token("hvs.very-secret") }),
		fx.Invoke(func(*middleware.Authenticator) {}))
	if err := app.Err(); err != nil {
		t.Fatalf("making the app already asks Vault: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := app.Start(ctx)
	if !errors.Is(err, vault.ErrUnavailable) || ctx.Err() != nil || strings.Contains(err.Error(), "very-secret") || strings.Contains(err.Error(), "\n") {
		t.Errorf("Start = %v, want one sentence of ErrUnavailable", err)
	}
	if err := app.Stop(t.Context()); err != nil {
		t.Errorf("Stop = %v", err)
	}
}
