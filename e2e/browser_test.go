package e2e

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/demo/demotest"
)

// limit bounds each test.
const limit = 45 * time.Second

// shared is what all tests use: one browser process, in which each test has cookies of its own, and
// one build of the quickstart.
var shared struct {
	dir        string // Of what lives as long as the tests.
	browser    func() (context.Context, error)
	stop       context.CancelFunc
	quickstart func() error
}

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	var err error
	if shared.dir, err = os.MkdirTemp("", "ghlogin-e2e-"); err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(shared.dir) }()
	shared.stop = func() {}
	shared.browser = sync.OnceValues(startBrowser)
	shared.quickstart = sync.OnceValue(func() error {
		return demotest.BuildAs("../examples/quickstart", quickstartPath())
	})
	defer func() { shared.stop() }()
	return m.Run()
}

func quickstartPath() string { return filepath.Join(shared.dir, "quickstart") }

var errNoBrowser = errors.New("none of chromium, chromium-browser and google-chrome is in the PATH")

func startBrowser() (context.Context, error) {
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		return nil, errNoBrowser
	}
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), append(
		chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.UserDataDir(filepath.Join(shared.dir, "profile")),
		chromedp.Env("TMPDIR="+shared.dir), // It leaves a folder there with each run.
		chromedp.Headless,
		chromedp.NoSandbox, // Containers and root have none.
		chromedp.DisableGPU,
		chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("hide-scrollbars", true),
		// Sites that need names of their own, and https, are made up by tests: see newTown.
		chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1"),
		chromedp.Flag("ignore-certificate-errors", true),
	)...)
	ctx, stop := chromedp.NewContext(allocator)
	shared.stop = func() {
		_ = chromedp.Cancel(ctx) // It waits for the end of the browser.
		stop()
		stopAllocator()
	}
	return ctx, chromedp.Do(ctx)
}

// newBrowser returns a tab in a browser without cookies, which ends with the test or its limit.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	parent, err := shared.browser()
	if errors.Is(err, errNoBrowser) && os.Getenv("GHLOGIN_REQUIRE_BROWSER") != "1" {
		t.Skipf("no browser to test with: %v; install chromium, or set GHLOGIN_REQUIRE_BROWSER=1 to have this fail", err)
	}
	if err != nil {
		t.Fatalf("the browser doesn't start: %v", err)
	}
	return openTab(parent, t, chromedp.WithNewBrowserContext())
}

// openTab opens a tab. Beside the first tab of a test it shares that one's cookies.
func openTab(parent context.Context, t *testing.T, opts ...chromedp.ContextOption) context.Context {
	t.Helper()
	ctx, closeTab := chromedp.NewContext(parent, opts...)
	t.Cleanup(closeTab)
	// The tab lives as long as the context of the first call, so that one has no deadline.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	t.Cleanup(cancel)
	return ctx
}

// do runs steps in a tab.
func do(tab context.Context, t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(tab, steps...); err != nil {
		t.Fatal(err)
	}
}

// read runs one step in a tab and returns what it finds.
func read[T any](tab context.Context, t *testing.T, step chromedp.Action[T]) T {
	t.Helper()
	value, err := chromedp.Run(tab, step)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// What stands on the pages.
const (
	signInButton    = chromedp.CSS("#sign-in")
	signOutButton   = chromedp.CSS("#sign-out")
	login           = chromedp.CSS("#login")
	authorizeButton = chromedp.CSS("#authorize")
	cancelButton    = chromedp.CSS("#cancel")
	wayOn           = chromedp.CSS("nav a.primary")
	body            = chromedp.CSS("body")
)

// site is a quickstart with a GitHub of its own.
type site struct {
	home string // With a slash at the end.
	gh   *githubtest.Server
	app  githubtest.App
}

func startSite(t *testing.T) site {
	t.Helper()
	if err := shared.quickstart(); err != nil {
		t.Fatal(err)
	}
	gh := githubtest.Start(t)
	app := gh.AddApp(githubtest.App{Name: "Quickstart", Callbacks: []string{"http://127.0.0.1/auth/github/callback"}})
	p := demotest.Start(t, quickstartPath(), []string{
		"GITHUB_CLIENT_ID=" + app.ClientID, "GITHUB_CLIENT_SECRET=" + app.Secrets[0], "GITHUB_BASE_URL=" + gh.URL(),
		"GITHUB_SCOPES=read:user",
	}, "-addr", "127.0.0.1:0")
	return site{home: p.Line(t, "Open "), gh: gh, app: app}
}
