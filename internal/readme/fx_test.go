package readme

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/demo/demotest"
	"github.com/ghlogin/ghlogin/internal/vaulttest"
)

func TestMain(m *testing.M) { os.Exit(vaulttest.Main(m)) }

// The README's program for fx and Vault, as it stands there but for the port, signs a visitor in.
func TestProgramWithFxAndVaultWorksAsItStandsThere(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	mount := v.Mount(t)
	policy, err := os.ReadFile(root + "/store/vault/app.hcl")
	if err != nil {
		t.Fatal(err)
	}
	token := v.Policy(t, strings.ReplaceAll(string(policy), `"ghlogin/`, `"`+mount+`/`))

	addr := freeAddr(t)
	callback := "http://" + addr + "/auth/github/callback"
	gh := githubtest.Start(t)
	app := gh.AddApp(githubtest.App{Kind: githubtest.GitHubApp, Callbacks: []string{callback}})
	gh.SignInAs("octocat")

	env := []string{
		"GITHUB_CLIENT_ID=" + app.ClientID, "GITHUB_CLIENT_SECRET=" + app.Secrets[0], "GITHUB_REDIRECT_URL=" + callback,
		"GITHUB_BASE_URL=" + gh.URL(), "VAULT_ADDR=" + v.Address, "VAULT_TOKEN=" + token, "GHLOGIN_VAULT_MOUNT=" + mount,
	}
	program := demotest.Start(t, buildFxProgram(t, addr), env)
	awaitListener(t, addr)
	page := demotest.NewBrowser(t).Get(t, "http://"+addr+"/some/page")
	if page.Status != http.StatusOK || page.Body != "Hello, octocat." || page.URL.Path != "/some/page" {
		t.Errorf("%s: %d %q", page.URL, page.Status, page.Body)
	}
	if list, err := v.Root().Logical().ListWithContext(t.Context(), mount+"/metadata/grants/"+strings.TrimPrefix(gh.URL(), "http://")); err != nil || list == nil {
		t.Errorf("the grants in Vault: %v, %v; want one", list, err)
	}
	program.Interrupt(t)
	if status, _, stderr := program.Wait(t); status != 0 {
		t.Errorf("status %d at the end:\n%s", status, stderr)
	}
}

// Without Vault the same program ends with a sentence and status 1.
func TestProgramWithFxSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	bin := buildFxProgram(t, addr)
	status, _, stderr := demotest.Start(t, bin, nil).Wait(t)
	for _, want := range []string{"GITHUB_CLIENT_ID", "GITHUB_CLIENT_SECRET", "GITHUB_REDIRECT_URL"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("nothing about %s in:\n%s", want, stderr)
		}
	}
	if status != 1 || strings.Contains(stderr, "goroutine ") {
		t.Errorf("status %d:\n%s", status, stderr)
	}
}

func buildFxProgram(t *testing.T, addr string) string {
	t.Helper()
	text, err := os.ReadFile(root + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var code string
	for _, block := range goBlock.FindAllStringSubmatch(string(text), -1) {
		if strings.Contains(block[1], "fxmodule.Vault") {
			code = block[1]
		}
	}
	const port = `"127.0.0.1:8080"`
	if strings.Count(code, port) != 1 {
		t.Fatalf("the README has no program with fxmodule.Vault that listens on %s", port)
	}
	// In a folder of this module, since a program elsewhere would need a go.mod and a release to name in it.
	dir, err := os.MkdirTemp(".", "_fx") //nolint:usetesting // See above; ./... leaves out what begins with _.
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(strings.Replace(code, port, `"`+addr+`"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return demotest.Build(t, dir)
}

// freeAddr is where nobody listens now.
func freeAddr(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func awaitListener(t *testing.T, addr string) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		if conn, err := net.Dial("tcp", addr); err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the program does not listen")
		}
	}
}
