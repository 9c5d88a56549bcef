package e2e

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store/memory"
)

// gallery is a site with each of our pages about a problem.
type gallery struct {
	home  string
	other string // Another origin.
	shows map[middleware.Kind]func(tab context.Context, t *testing.T) (status int64)
}

// newGallery starts one, and signs the tab's browser in, without which some pages can't be reached.
func newGallery(tab context.Context, t *testing.T) *gallery {
	t.Helper()
	gh := githubtest.Start(t)
	gh.SignInAs("octocat")
	mux := http.NewServeMux()
	g := &gallery{home: serve(t, mux)}
	g.other = strings.Replace(serve(t, http.HandlerFunc(startPage)), "127.0.0.1", "localhost", 1)
	auth, app := newAuth(t, gh, g.home)
	lost, err := middleware.New(middleware.Config{
		ClientID: app.ClientID, ClientSecrets: []oauth.Secret{oauth.NewSecret("x")}, RedirectURL: g.home + "lost/callback",
	}, memory.New())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lost.Close(context.WithoutCancel(t.Context())) })
	mux.Handle("/lost/", lost.Require(http.HandlerFunc(startPage)))
	routes := http.NewServeMux()
	routes.HandleFunc("/", startPage)
	routes.Handle("/scope", auth.RequireScopes("admin:org")(http.HandlerFunc(startPage)))
	mux.Handle("/", auth.Middleware(routes))

	// Errors as handlers and routes meet them.
	failures := map[middleware.Kind]error{
		middleware.KindSignIn:      oauth.ErrSignInAgain,
		middleware.KindDenied:      &oauth.Error{Code: oauth.CodeAccessDenied, Class: oauth.ErrStartAgain},
		middleware.KindEmail:       &oauth.Error{Code: oauth.CodeUnverifiedUserEmail, Class: oauth.ErrStartAgain},
		middleware.KindSuspended:   &oauth.Error{Code: oauth.CodeApplicationSuspended, Class: oauth.ErrMisconfigured},
		middleware.KindConfig:      oauth.ErrMisconfigured,
		middleware.KindUnavailable: oauth.ErrTryLater,
		middleware.KindGitHub:      errors.New("GitHub said 422"),
	}
	for _, kind := range []middleware.Kind{middleware.KindNotAllowed, middleware.KindSSO, middleware.KindHidden, middleware.KindNotApproved} {
		failures[kind] = &middleware.Refusal{Kind: kind}
	}
	routes.HandleFunc("/fail/{kind}", func(w http.ResponseWriter, r *http.Request) {
		auth.Fail(w, r, failures[middleware.Kind(r.PathValue("kind"))])
	})
	goTo := func(path string) func(context.Context, *testing.T) int64 {
		return func(tab context.Context, t *testing.T) int64 {
			t.Helper()
			return read(tab, t, chromedp.NavigateResponse(g.home+path)).Status
		}
	}
	post := func(from *string, path string) func(context.Context, *testing.T) int64 {
		return func(tab context.Context, t *testing.T) int64 {
			t.Helper()
			do(tab, t, chromedp.Navigate(*from))
			status, _ := submit(tab, t, g.home+path)
			return status
		}
	}
	g.shows = map[middleware.Kind]func(context.Context, *testing.T) int64{
		middleware.KindAttempt:     goTo("auth/github/callback?state=x"),
		middleware.KindMethod:      goTo("auth/github/logout"),
		middleware.KindInternal:    goTo("lost/login"),
		middleware.KindCrossOrigin: post(&g.other, "auth/github/logout"),
		middleware.KindScopes:      post(&g.home, "scope"),
	}
	for kind := range failures {
		g.shows[kind] = post(&g.home, "fail/"+string(kind))
	}
	do(tab, t, chromedp.Navigate(g.home+"auth/github/login"))
	return g
}

// visit shows the page of a kind.
func (g *gallery) visit(tab context.Context, t *testing.T, kind middleware.Kind) {
	t.Helper()
	show := g.shows[kind]
	if show == nil {
		t.Fatalf("there is no way to the page of %s here: add one to newGallery", kind)
	}
	problem := middleware.Problem{Kind: kind}
	if status := show(tab, t); status != int64(problem.Status()) {
		t.Errorf("%s: status %d, want %d", kind, status, problem.Status())
	}
	if title := read(tab, t, chromedp.Title()); title != problem.Title() {
		t.Errorf("%s: the title is %q, want %q", kind, title, problem.Title())
	}
}

// kinds reads the kinds of problems out of the source, so that a new one can't be forgotten here.
func kinds(t *testing.T) []middleware.Kind {
	t.Helper()
	var found []middleware.Kind
	files, err := filepath.Glob("../middleware/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			spec, ok := node.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if typ, ok := spec.Type.(*ast.Ident); ok && typ.Name == "Kind" && len(spec.Values) == 1 {
				if text, ok := spec.Values[0].(*ast.BasicLit); ok {
					kind, _ := strconv.Unquote(text.Value)
					found = append(found, middleware.Kind(kind))
				}
			}
			return true
		})
	}
	if len(found) < 10 {
		t.Fatalf("found the kinds %v only", found)
	}
	return found
}

// Our pages hold no script, nor anything that could become one, and ask no other site for anything.
func TestProblemPagesRunNoScriptAndLoadNothing(t *testing.T) {
	t.Parallel()
	tab := newBrowser(t)
	g := newGallery(tab, t)
	var mu sync.Mutex
	var asked []string
	if err := chromedp.Listen(tab, func(ev any) {
		if sent, ok := ev.(*network.EventRequestWillBeSent); ok {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, sent.Request.URL)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(tab, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	for _, kind := range kinds(t) {
		g.visit(tab, t, kind)
		if bad := script[[]string](tab, t, `[...document.querySelectorAll("*")].flatMap(e => [
			...(["SCRIPT", "IFRAME", "OBJECT", "EMBED", "FORM", "IMG", "LINK", "BASE"].includes(e.tagName) ? [e.outerHTML] : []),
			...[...e.attributes].filter(a => a.name.startsWith("on") || a.name === "style" || /^\s*javascript:/i.test(a.value)).map(a => a.name + "=" + a.value),
			...(e.tagName === "A" && e.origin !== location.origin ? [e.href] : []),
		])`); len(bad) > 0 {
			t.Errorf("the page of %s holds %q", kind, bad)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for _, address := range asked {
		if !strings.HasPrefix(address, g.home) && !strings.HasPrefix(address, g.other) {
			t.Errorf("a page had the browser ask for %s", address)
		}
	}
	if len(asked) < len(g.shows) {
		t.Errorf("only %d requests were seen: this test looks at the wrong thing", len(asked))
	}
}

// axeVersion is the release of axe-core whose rules count: a newer one may find more.
const axeVersion = "4.14.1"

// axeSource is axe-core's script, out of npm's registry or cache.
var axeSource = sync.OnceValues(func() (string, error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "pack", "axe-core@"+axeVersion, "--prefer-offline", "--silent", "--pack-destination", shared.dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm pack: %w\n%s", err, out)
	}
	file, err := os.Open(filepath.Join(shared.dir, "axe-core-"+axeVersion+".tgz"))
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		return "", err
	}
	for archive := tar.NewReader(unpacked); ; {
		header, err := archive.Next()
		if err != nil {
			return "", err
		}
		if header.Name == "package/axe.min.js" {
			text, err := io.ReadAll(archive)
			return string(text), err
		}
	}
})

// wantAccessible holds the page in the tab to all of axe-core's rules.
func wantAccessible(tab context.Context, t *testing.T, axe, what string) {
	t.Helper()
	read(tab, t, chromedp.Evaluate[any](axe+";0"))
	found := script[struct {
		Passed int
		Broken []string
	}](tab, t, `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(r => ({
		Passed: r.passes.length,
		Broken: r.violations.concat(r.incomplete).flatMap(v => v.nodes.map(n => v.id + ": " + n.html + " " + n.failureSummary)),
	}))`)
	for _, broken := range found.Broken {
		if !strings.Contains(broken, "only non-text characters") { // An arrow, whose contrast it can't judge.
			t.Errorf("%s: %s", what, broken)
		}
	}
	if found.Passed < 10 {
		t.Errorf("%s: only %d rules were looked at", what, found.Passed)
	}
}

func TestPagesPassTheRulesOfAxe(t *testing.T) {
	t.Parallel()
	axe, err := axeSource()
	if err != nil && os.Getenv("GHLOGIN_REQUIRE_BROWSER") != "1" {
		t.Skipf("no axe-core to test with: %v; install npm, or set GHLOGIN_REQUIRE_BROWSER=1 to have this fail", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, scheme := range []string{"light", "dark"} {
		t.Run("problems, "+scheme, func(t *testing.T) {
			t.Parallel()
			tab := newBrowser(t)
			look(tab, t, scheme)
			g := newGallery(tab, t)
			for _, kind := range kinds(t) {
				g.visit(tab, t, kind)
				wantAccessible(tab, t, axe, "the page of "+string(kind))
			}
		})
		t.Run("quickstart, "+scheme, func(t *testing.T) {
			t.Parallel()
			tab := newBrowser(t)
			look(tab, t, scheme)
			s := startSite(t)
			do(tab, t, chromedp.Navigate(s.home))
			wantAccessible(tab, t, axe, "the start page")
			do(tab, t, chromedp.Click(signInButton), chromedp.WaitVisible(authorizeButton))
			wantAccessible(tab, t, axe, "the fake GitHub's page")
			do(tab, t, chromedp.Click(authorizeButton), chromedp.WaitVisible(signOutButton))
			wantAccessible(tab, t, axe, "the start page of octocat")
			do(tab, t, chromedp.Navigate(s.home+"repos"))
			wantAccessible(tab, t, axe, "the repositories")
		})
	}
}
