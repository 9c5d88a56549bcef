package vault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/ghlogin/ghlogin/internal/vaulttest"
	"github.com/ghlogin/ghlogin/store/vault"
)

// refusing is a Vault to which each token is dead but good.
func refusing(t *testing.T, good string) (server *httptest.Server, refused <-chan string) {
	t.Helper()
	all := make(chan string, 1000)
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token := r.Header.Get("X-Vault-Token"); token != good {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"errors":["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}`)
			all <- token
			return
		}
		_, _ = io.WriteString(w, `{"data":{"data":{"value":"v","write_id":"w"},"metadata":{"version":1}}}`)
	}))
	t.Cleanup(server.Close)
	return server, all
}

func TestLogInThatFailsIsNotRepeatedByEachRequest(t *testing.T) {
	t.Parallel()
	server, _ := refusing(t, "hvs.good")
	logins, mended := new(atomic.Int64), new(atomic.Bool)
	s := open(t, vault.Config{Address: server.URL}, firstThen("hvs.dead", func(context.Context, *api.Client) (*api.Secret, error) {
		logins.Add(1)
		if !mended.Load() {
			return nil, errors.New("the secret id's file is gone")
		}
		return &api.Secret{Auth: &api.SecretAuth{ClientToken: "hvs.good"}}, nil
	}))
	for range 200 {
		if _, err := s.Get(t.Context(), key); !errors.Is(err, vault.ErrSetup) || !strings.Contains(err.Error(), "the secret id's file is gone") {
			t.Fatalf("Get = %v, want the log-in's error", err)
		}
	}
	if n := logins.Load(); n > 20 {
		t.Errorf("%d log-ins for 200 requests", n)
	}
	mended.Store(true)
	over := time.After(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := s.Get(t.Context(), key)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("the log-in would succeed, and Get = %v", err)
		}
	}
}

// A file that nobody writes any more: each log-in gives the token that Vault refuses.
func TestLogInThatGivesTheRefusedTokenIsNotRepeatedByEachRequest(t *testing.T) {
	t.Parallel()
	server, _ := refusing(t, "hvs.good")
	logins := new(atomic.Int64)
	s := open(t, vault.Config{Address: server.URL}, func(context.Context, *api.Client) (*api.Secret, error) {
		logins.Add(1)
		return &api.Secret{Auth: &api.SecretAuth{ClientToken: "hvs.dead"}}, nil
	})
	for range 200 {
		if _, err := s.Get(t.Context(), key); !errors.Is(err, vault.ErrDenied) || !strings.Contains(err.Error(), "expired or was revoked") {
			t.Fatalf("Get = %v, want ErrDenied", err)
		}
	}
	if n := logins.Load(); n > 20 {
		t.Errorf("%d log-ins for 200 requests", n)
	}
}

// Two Vaults behind one address, or a standby that lags: each log-in gives another token, which is then unknown.
func TestLogInsWhoseTokensAreAllRefusedAreNotMadeByEachRequest(t *testing.T) {
	t.Parallel()
	server, _ := refusing(t, "hvs.good")
	logins := new(atomic.Int64)
	s := open(t, vault.Config{Address: server.URL}, func(context.Context, *api.Client) (*api.Secret, error) {
		return &api.Secret{Auth: &api.SecretAuth{ClientToken: fmt.Sprint("hvs.dead-", logins.Add(1))}}, nil
	})
	for range 200 {
		if _, err := s.Get(t.Context(), key); !errors.Is(err, vault.ErrDenied) || !strings.Contains(err.Error(), "expired or was revoked") {
			t.Fatalf("Get = %v, want ErrDenied", err)
		}
	}
	if n := logins.Load(); n > 20 {
		t.Errorf("%d log-ins for 200 requests", n)
	}
}

// A role without a policy that it needs: each fresh log-in leaves one more token in Vault, and helps nobody.
func TestLogInsThatDoNotHelpGetRarer(t *testing.T) {
	t.Parallel()
	logins, mended := new(atomic.Int64), new(atomic.Bool)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !mended.Load() {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"errors":["1 error occurred:\n\t* permission denied\n\n"]}`)
			return
		}
		_, _ = io.WriteString(w, `{"data":{"data":{"value":"v","write_id":"w"},"metadata":{"version":1}}}`)
	}))
	t.Cleanup(server.Close)
	s := open(t, vault.Config{Address: server.URL}, func(context.Context, *api.Client) (*api.Secret, error) {
		return &api.Secret{Auth: &api.SecretAuth{ClientToken: fmt.Sprint("hvs.", logins.Add(1))}}, nil
	})
	for range 100 { // As if six seconds passed between them.
		vault.Age(s, 6*time.Second)
		if _, err := s.Get(t.Context(), key); !errors.Is(err, vault.ErrDenied) {
			t.Fatalf("Get = %v, want ErrDenied", err)
		}
	}
	if n := logins.Load(); n > 15 {
		t.Errorf("%d log-ins in ten minutes, want one a minute and some at first", n)
	}
	vault.Age(s, time.Minute)
	mended.Store(true)
	if _, err := s.Get(t.Context(), key); err != nil {
		t.Errorf("Get = %v", err)
	}
}

func TestNobodyWaitsForAnotherRequestsLogInLongerThanTheyMay(t *testing.T) {
	t.Parallel()
	server, refused := refusing(t, "hvs.good")
	began, release := make(chan bool, 10), make(chan bool)
	s := open(t, vault.Config{Address: server.URL, Timeout: time.Hour}, firstThen("hvs.dead", func(context.Context, *api.Client) (*api.Secret, error) {
		began <- true
		<-release
		return &api.Secret{Auth: &api.SecretAuth{ClientToken: "hvs.good"}}, nil
	}))
	t.Cleanup(func() { close(release) }) // Before the store is closed, which waits for log-ins.
	get := func(ctx context.Context) <-chan error {
		answer := make(chan error, 1)
		go func() { _, err := s.Get(ctx, key); answer <- err }()
		within(t, refused, "request that Vault refused")
		return answer
	}
	one, hangUp := context.WithCancel(t.Context())
	first := get(one)
	within(t, began, "log-in")
	other, leave := context.WithCancel(t.Context())
	second := get(other)
	leave()
	if err := within(t, second, "answer to who left"); !errors.Is(err, context.Canceled) {
		t.Errorf("who left while another's log-in hung got %v, want context.Canceled", err)
	}
	// Who began the log-in leaves as well, and it goes on for those who stay.
	third := get(t.Context())
	hangUp()
	if err := within(t, first, "answer to who began"); !errors.Is(err, context.Canceled) {
		t.Errorf("who began the log-in and left got %v, want context.Canceled", err)
	}
	release <- true
	if err := within(t, third, "answer to who stayed"); err != nil {
		t.Errorf("who stayed got %v", err)
	}
	if n := len(began); n != 0 {
		t.Errorf("%d log-ins more than one", n)
	}
}

func TestHangingLogInEndsARequestWithinTheTimeout(t *testing.T) {
	t.Parallel()
	server, refused := refusing(t, "hvs.good")
	release := make(chan bool)
	s := open(t, vault.Config{Address: server.URL, Timeout: 500 * time.Millisecond}, firstThen("hvs.dead", func(context.Context, *api.Client) (*api.Secret, error) {
		<-release
		return nil, errors.New("too late")
	}))
	t.Cleanup(func() { close(release) }) // Before the store is closed, which waits for log-ins.
	answers := make(chan error, 5)
	for range cap(answers) {
		go func() { _, err := s.Get(t.Context(), key); answers <- err }()
		within(t, refused, "request that Vault refused")
	}
	for range cap(answers) {
		if err := within(t, answers, "answer"); !errors.Is(err, vault.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Get = %v, want ErrUnavailable with the deadline", err)
		}
	}
}

func TestDeadTokenIsRefusedAtTheLogInAndNamedSo(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	for name, login := range map[string]vault.Login{"Token": vault.Token("hvs.dead"), "TokenFile": vault.TokenFile(secretFile(t, "hvs.dead"))} {
		s, err := vault.Open(t.Context(), vault.Config{Address: v.Address}, login)
		if !errors.Is(err, vault.ErrDenied) || !strings.Contains(err.Error(), "has expired or was revoked") || strings.Contains(err.Error(), "hvs.dead") {
			t.Errorf("%s: Open = %v, want ErrDenied that says why", name, err)
		}
		if s != nil {
			_ = s.Close(t.Context())
		}
	}
}

func TestLogInThatMeetsAnOutageIsAnOutage(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, login := range map[string]vault.Login{"AppRole": vault.AppRole("role", secretFile(t, "secret")), "Token": vault.Token("hvs.x")} {
		if _, err := vault.Open(t.Context(), vault.Config{Address: gone.URL}, login); !errors.Is(err, vault.ErrUnavailable) {
			t.Errorf("%s: Open = %v, want ErrUnavailable", name, err)
		}
	}
}

func TestLogInOfTheAppsThatGivesNothingIsAnErrorAndNoPanic(t *testing.T) {
	t.Parallel()
	for _, nothing := range []*api.Secret{nil, {}, {Auth: &api.SecretAuth{}}} {
		_, err := vault.Open(t.Context(), vault.Config{Address: "http://127.0.0.1:1"}, func(context.Context, *api.Client) (*api.Secret, error) { return nothing, nil })
		if !errors.Is(err, vault.ErrSetup) {
			t.Errorf("Open with %s = %v, want ErrSetup", fmt.Sprint(nothing), err)
		}
	}
}

func TestClosedStoreLogsInNoMore(t *testing.T) {
	t.Parallel()
	server, _ := refusing(t, "hvs.good")
	s := open(t, vault.Config{Address: server.URL}, firstThen("hvs.dead", func(context.Context, *api.Client) (*api.Secret, error) {
		t.Error("a closed store logs in")
		return nil, errors.New("closed")
	}))
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), key); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("Get = %v, want ErrUnavailable", err)
	}
}

func TestCloseEndsALogInThatHangs(t *testing.T) {
	t.Parallel()
	server, _ := refusing(t, "hvs.good")
	began := make(chan bool, 1)
	s := open(t, vault.Config{Address: server.URL, Timeout: time.Hour}, firstThen("hvs.dead", func(ctx context.Context, _ *api.Client) (*api.Secret, error) {
		began <- true
		<-ctx.Done()
		return nil, ctx.Err()
	}))
	answer := make(chan error, 1)
	go func() { _, err := s.Get(t.Context(), key); answer <- err }()
	within(t, began, "log-in")
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Errorf("Close = %v", err)
	}
	if err := within(t, answer, "answer"); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("Get = %v, want ErrUnavailable", err)
	}
}

func TestRequestsLogInEndsTheWaitForAnotherInTheBackground(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		logins, away := new(atomic.Int64), new(atomic.Bool)
		s, err := vault.Open(t.Context(), vault.Config{Address: "https://vault.invalid"}, func(context.Context, *api.Client) (*api.Secret, error) {
			n := logins.Add(1)
			if away.Load() {
				return nil, errors.New("the secret id's file is gone")
			}
			return &api.Secret{Auth: &api.SecretAuth{ClientToken: fmt.Sprint("hvs.", n), LeaseDuration: 600}}, nil
		}, vault.WithLogger(slog.New(slog.DiscardHandler)))
		if err != nil {
			t.Fatal(err)
		}
		away.Store(true)
		time.Sleep(10 * time.Minute) // By now the log-ins in the background are a quarter of a minute apart or more.
		away.Store(false)
		if err := vault.LogIn(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		before := logins.Load()
		if time.Sleep(5 * time.Minute); logins.Load() != before {
			t.Errorf("%d log-ins more, though a request's had given a token for ten minutes", logins.Load()-before)
		}
		if time.Sleep(5 * time.Minute); logins.Load() != before+1 {
			t.Errorf("%d log-ins in place of 1 as that token's time ran out", logins.Load()-before)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
