package main

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/demo/demotest"
	"github.com/ghlogin/ghlogin/internal/vaulttest"
)

func TestTokensInVaultOutliveTheProgram(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	mount := v.Mount(t)
	vaultToken := v.Policy(t, appPolicy(t, mount))
	bin := demotest.Build(t, ".")
	gh := githubtest.Start(t)
	app := gh.AddApp(githubtest.App{Callbacks: []string{"http://127.0.0.1/auth/github/callback"}})
	gh.SignInAs("octocat")
	env := []string{
		"GITHUB_CLIENT_ID=" + app.ClientID, "GITHUB_CLIENT_SECRET=" + app.Secrets[0], "GITHUB_BASE_URL=" + gh.URL(),
		"GHLOGIN_STORE=vault", "VAULT_ADDR=" + v.Address, "VAULT_TOKEN=" + vaultToken, "GHLOGIN_VAULT_MOUNT=" + mount,
	}
	stored := func() (user string, logins int) {
		t.Helper()
		u, err := url.Parse(gh.URL())
		if err != nil {
			t.Fatal(err)
		}
		secret, err := v.Root().Logical().ReadWithContext(t.Context(), mount+"/data/grants/"+u.Host+"/583231")
		if err != nil || secret == nil {
			t.Fatalf("no grant stands in Vault: %v, %v", secret, err)
		}
		var grant struct {
			User   struct{ Login string }
			Logins map[string]any
		}
		value, _ := secret.Data["data"].(map[string]any)["value"].(string)
		if err := json.Unmarshal([]byte(value), &grant); err != nil {
			t.Fatal(err)
		}
		return grant.User.Login, len(grant.Logins)
	}
	visit := func() (*demotest.Program, *demotest.Browser, string) {
		t.Helper()
		p := demotest.Start(t, bin, env, "-addr", "127.0.0.1:0")
		home := p.Line(t, "Open ")
		b := demotest.NewBrowser(t)
		if got := readMe(t, b.Get(t, home+"me")); got.Login != "octocat" {
			t.Errorf("/me = %+v", got)
		}
		return p, b, home
	}
	end := func(p *demotest.Program) {
		t.Helper()
		p.Interrupt(t)
		status, stdout, stderr := p.Wait(t)
		if status != 0 {
			t.Errorf("status %d", status)
		}
		for _, secret := range append(gh.Secrets(), vaultToken) {
			if strings.Contains(stdout+stderr, secret) {
				t.Error("the output holds a secret")
			}
		}
	}

	p, _, _ := visit()
	end(p)
	if user, logins := stored(); user != "octocat" || logins != 1 {
		t.Errorf("after the program's end %d logins of %q stand in Vault, want one of octocat", logins, user)
	}
	if n := gh.LiveTokens(app.ClientID, 583231); n != 1 {
		t.Errorf("after the program's end %d tokens are alive, want 1", n)
	}

	// The next process finds that grant, and adds to it.
	p, b, home := visit()
	if _, logins := stored(); logins != 2 {
		t.Errorf("the second process left %d logins, want 2", logins)
	}
	b.Post(t, home+"auth/github/logout", nil)
	if _, logins := stored(); logins != 1 {
		t.Errorf("after one of two signed out %d logins are left, want 1", logins)
	}
	end(p)
}

func TestTheStoreIsCheckedBeforeAnybodyVisits(t *testing.T) {
	t.Parallel()
	bin := demotest.Build(t, ".")
	t.Run("another store than these two is an error that names both, beside what else is wrong", func(t *testing.T) {
		t.Parallel()
		demotest.RefusesBadInput(t, bin, []string{"GHLOGIN_STORE=redis", "GITHUB_CLIENT_SECRET=hunter2"}, "hunter2",
			"GHLOGIN_STORE", "redis", "vault", "memory", "client id")
	})
	t.Run("all that Vault needs and lacks is one message", func(t *testing.T) {
		t.Parallel()
		demotest.RefusesBadInput(t, bin, []string{"GHLOGIN_STORE=vault", "VAULT_ADDR=", "VAULT_TOKEN=", "GITHUB_CLIENT_SECRET=hunter2"},
			"hunter2", "VAULT_ADDR", "VAULT_TOKEN", "client id")
	})
	t.Run("a Vault that is not set up is an error with the command to run", func(t *testing.T) {
		t.Parallel()
		v := vaulttest.Start(t)
		demotest.RefusesBadInput(t, bin, []string{
			"GHLOGIN_STORE=vault", "VAULT_ADDR=" + v.Address, "VAULT_TOKEN=" + v.RootToken, "GHLOGIN_VAULT_MOUNT=nowhere",
		}, v.RootToken, "vault secrets enable -path=nowhere kv-v2")
	})
	t.Run("memory can be asked for by name", func(t *testing.T) {
		t.Parallel()
		p := demotest.Start(t, bin, []string{"GHLOGIN_STORE=memory", "VAULT_ADDR=", "VAULT_TOKEN="}, "-addr", "127.0.0.1:0")
		p.Line(t, "Open ")
	})
}

// appPolicy is the policy that servers get, for a mount.
func appPolicy(t *testing.T, mount string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "store", "vault", "app.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), `"ghlogin/`, `"`+mount+`/`)
}
