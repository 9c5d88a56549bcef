package houserules

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/ghlogin/ghlogin"

// goTool runs the go command at the module's top and returns what it printed.
func goTool(t *testing.T, args ...string) string {
	t.Helper()
	// go test's cache knows of no file but those the test opens itself: without this look, a change of go.mod alone
	// would be answered with an old verdict.
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// linked lists the packages that a program importing the given ones links, standard library included.
func linked(t *testing.T, packages ...string) []string {
	t.Helper()
	return strings.Fields(goTool(t, append([]string{"list", "-deps", "--"}, packages...)...))
}

// within reports whether pkg is tree or lies below it.
func within(pkg, tree string) bool {
	return pkg == tree || strings.HasPrefix(pkg, tree+"/")
}

// unwanted returns the packages that lie in one of the trees.
func unwanted(packages, trees []string) []string {
	var found []string
	for _, pkg := range packages {
		for _, tree := range trees {
			if within(pkg, tree) {
				found = append(found, pkg)
				break
			}
		}
	}
	return found
}

func TestProgramWithMiddlewareAndMemoryStoreLinksNoHeavyTreeAndNoTestFramework(t *testing.T) {
	t.Parallel()
	packages := linked(t, "./middleware", "./store/memory")
	if len(unwanted(packages, []string{module + "/grant"})) == 0 {
		t.Fatal("go list did not name grant, which middleware stands on: this test looks at the wrong thing")
	}
	for _, pkg := range unwanted(packages, []string{
		"github.com/chromedp",
		"github.com/getkin/kin-openapi",
		"github.com/go-chi/chi",
		"github.com/hashicorp/vault",
		"github.com/stretchr/testify",
		"github.com/testcontainers",
		"go.uber.org/fx",
		"go.uber.org/goleak",
		"golang.org/x/net",
		"html/template",     // keeps every exported method of every type, go-github's too
		"net/http/httptest", // registers a flag in every program
		"pgregory.net/rapid",
		"testing",
		"text/template", // as html/template
		module + "/fxmodule",
		module + "/githubtest",
		module + "/store/storetest",
		module + "/store/vault",
	}) {
		t.Errorf("a program that uses middleware and store/memory links %s", pkg)
	}
}

func TestFakeGitHubIsStandardLibraryOnlyAndBringsNoTestFrameworkIntoADemo(t *testing.T) {
	t.Parallel()
	for _, pkg := range linked(t, "./githubtest/...") {
		first, _, _ := strings.Cut(pkg, "/")
		switch {
		case within(pkg, "testing"), within(pkg, "net/http/httptest"):
			t.Errorf("githubtest links %s, which a demo program would carry", pkg)
		case within(pkg, module+"/githubtest"):
		case strings.Contains(first, ".") && !within(pkg, "vendor"):
			t.Errorf("githubtest links %s: it may use the standard library only", pkg)
		}
	}
}

func TestUnwantedFindsAPackageAndWhatLiesBelowItButNoNeighbour(t *testing.T) {
	t.Parallel()
	got := unwanted([]string{"testing", "testing/slogtest", "testingx", "fmt"}, []string{"testing"})
	if strings.Join(got, " ") != "testing testing/slogtest" {
		t.Errorf("unwanted = %q", got)
	}
}
