package onvault_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/demo/demotest"
	"github.com/ghlogin/ghlogin/internal/vaulttest"
)

// program is the folder server, compiled and run at an address that outlives each run of it.
type program struct {
	bin      string
	env      []string
	base     string
	listener *os.File
}

func newProgram(t *testing.T, w *world) *program {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := l.(*net.TCPListener).File()
	l.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	p := &program{bin: demotest.Build(t, "server"), base: "http://" + l.Addr().String(), listener: file}
	p.env = []string{
		"GITHUB_CLIENT_ID=" + w.app.ClientID, "GITHUB_CLIENT_SECRET=" + w.app.Secrets[0], "GITHUB_BASE_URL=" + w.gh.URL(),
		"GITHUB_REDIRECT_URL=" + p.base + "/auth/github/callback",
		"VAULT_ADDR=" + w.vault.Address, "GHLOGIN_VAULT_MOUNT=" + w.mount,
		"ONVAULT_ROLE_ID=" + w.roleID, "ONVAULT_SECRET_ID_FILE=" + w.secretIDFile, "ONVAULT_SESSIONS=" + w.sessions,
	}
	return p
}

// start runs the program, and returns what kills it with SIGKILL and waits until it is gone.
func (p *program) start(t *testing.T) (kill func()) {
	t.Helper()
	var stderr output
	cmd := exec.CommandContext(t.Context(), p.bin)
	cmd.Env, cmd.ExtraFiles, cmd.Stderr = p.env, []*os.File{p.listener}, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	kill = func() {
		if killed {
			return
		}
		killed = true
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		err := cmd.Wait()
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
			t.Errorf("the server ended by itself (%v):\n%s", err, stderr.String())
		}
		if t.Failed() {
			t.Logf("the server's log:\n%s", stderr.String())
		}
	}
	t.Cleanup(kill)
	return kill
}

func TestServerKilledAndStartedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, vaulttest.Start(t), githubtest.App{TokenLife: 4 * time.Second}, time.Hour, time.Hour)
	server := newProgram(t, w)
	visitor, again := newVisitor(t), 0
	kill := server.start(t)
	visitor.signIn(t, server.base, "octocat")
	kill()

	// The token runs out with nobody there to refresh it, and gets a long life with its refresh.
	w.gh.UpdateApp(w.app.ClientID, func(a *githubtest.App) { a.TokenLife = githubtest.DefaultTokenLife })
	if err := pass(t.Context(), 4*time.Second); err != nil {
		t.Fatal(err)
	}
	w.gh.ResetCalls()
	kill = server.start(t)
	visitor.wantSignedIn(t, server.base, "octocat")
	for _, call := range w.gh.Calls() {
		if strings.HasSuffix(call.Path, "/login/oauth/authorize") {
			again++
		}
	}
	if n, all := w.gh.TokenRequests("refresh_token"), w.gh.TokenRequests(""); again != 0 || n != 1 || all != 1 {
		t.Errorf("%d sign-ins, %d refreshes among %d token requests, want 0, 1 and 1", again, n, all)
	}
	kill()

	// The refreshed token outlives the process, too.
	w.gh.ResetCalls()
	kill = server.start(t)
	visitor.wantSignedIn(t, server.base, "octocat")
	w.wantNoSignIn(t)

	// And what was signed out stays so.
	if p := visitor.signOut(t, server.base); p.status != http.StatusSeeOther {
		t.Errorf("signing out answers %d", p.status)
	}
	kill()
	server.start(t)
	if p := visitor.get(t, server.base+"/me"); p.status != http.StatusFound {
		t.Errorf("GET /me = %d %q after the sign-out, want a redirect to sign in", p.status, p.body)
	}
}

func TestServerKilledRightAfterSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, vaulttest.Start(t), githubtest.App{}, time.Hour, time.Hour)
	server := newProgram(t, w)
	kill := server.start(t)
	visitor := newVisitor(t)
	visitor.signIn(t, server.base, "octocat")
	kill()
	w.gh.ResetCalls()
	server.start(t)
	visitor.wantSignedIn(t, server.base, "octocat")
	w.wantNoSignIn(t)
}

func TestVaultRestartedOnDisk(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t, vaulttest.OnDisk())
	w := newWorld(t, v, githubtest.App{}, time.Hour, time.Hour)
	base := w.replica(t, staleness(0)) // So that nothing that is answered comes from memory.
	const users = 5
	visitors := make([]*visitor, users)
	for i := range visitors {
		login := fmt.Sprintf("octo-%d", i)
		w.gh.AddUser(githubtest.User{ID: int64(1000 + i), Login: login})
		w.gh.SignInAs(login)
		visitors[i] = newVisitor(t)
		visitors[i].signIn(t, base, login)
	}
	stored := func() (all []string) {
		t.Helper()
		for i := range visitors {
			secret, err := v.Root().Logical().ReadWithContext(t.Context(), w.grantPath(int64(1000+i)))
			if err != nil || secret == nil {
				t.Fatalf("read the grant of user %d: %v, %v", i, secret, err)
			}
			all = append(all, fmt.Sprint(secret.Data))
		}
		return all
	}
	before := stored()

	v.Stop()
	if p := visitors[0].get(t, base+"/me"); p.status != http.StatusServiceUnavailable || p.retryAfter == "" {
		t.Errorf("while Vault is stopped, GET /me = %d, Retry-After %q, want 503 and one", p.status, p.retryAfter)
	}
	v.Restart()
	if p := visitors[0].get(t, base+"/me"); p.status != http.StatusServiceUnavailable || p.retryAfter == "" {
		t.Errorf("while Vault is sealed, GET /me = %d, Retry-After %q, want 503 and one", p.status, p.retryAfter)
	}
	v.Unseal()

	w.gh.ResetCalls()
	fresh := w.replica(t, nil)
	for i, visitor := range visitors {
		visitor.wantSignedIn(t, base, fmt.Sprintf("octo-%d", i))
		visitor.wantSignedIn(t, fresh, fmt.Sprintf("octo-%d", i))
	}
	w.wantNoSignIn(t)
	for i, now := range stored() {
		if now != before[i] {
			t.Errorf("the grant of user %d is another than before", i)
		}
	}
}
