// Package readme has no code: its test compiles every Go block of README.md and docs/, so that what
// people copy works.
package readme

import (
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

var goBlock = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")

// imports are what fragments may use without saying so.
var imports = map[string]string{
	"chi": "github.com/go-chi/chi/v5", "context": "context", "errors": "errors", "fmt": "fmt",
	"github": "github.com/google/go-github/v92/github", "githubtest": "github.com/ghlogin/ghlogin/githubtest",
	"grant": "github.com/ghlogin/ghlogin/grant", "html": "html", "http": "net/http", "json": "encoding/json", "log": "log", "memory": "github.com/ghlogin/ghlogin/store/memory",
	"middleware": "github.com/ghlogin/ghlogin/middleware", "oauth": "github.com/ghlogin/ghlogin/oauth", "os": "os",
	"scs": "github.com/alexedwards/scs/v2", "slog": "log/slog", "store": "github.com/ghlogin/ghlogin/store",
	"storetest": "github.com/ghlogin/ghlogin/store/storetest", "strings": "strings", "testing": "testing", "time": "time",
}

// given are the names that a fragment of statements may use, as a handler or a main would have them.
const given = `
	var (
		ctx     context.Context
		cfg     middleware.Config
		auth    *middleware.Authenticator
		manager *grant.Manager
		app     *oauth.Client
		mux     *http.ServeMux
		w       http.ResponseWriter
		r       *http.Request
		userID  int64
		repos   http.Handler
		err     error
		code    string
		verifier oauth.Secret
	)
	_, _, _, _, _, _, _, _, _, _, _, _, _ = ctx, cfg, auth, manager, app, mux, w, r, userID, repos, err, code, verifier
`

func TestEveryGoBlockCompiles(t *testing.T) {
	t.Parallel()
	docs, err := filepath.Glob(root + "/docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range append(docs, root+"/README.md") {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for i, block := range goBlock.FindAllSubmatch(text, -1) {
			t.Run(fmt.Sprintf("%s/%d", filepath.Base(doc), i+1), func(t *testing.T) {
				t.Parallel()
				compile(t, string(block[1]))
			})
		}
	}
}

func compile(t *testing.T, code string) {
	t.Helper()
	source, err := program(code)
	if err != nil {
		t.Fatalf("%v in\n%s", err, code)
	}
	if formatted, err := format.Source([]byte(code)); err != nil || strings.TrimSpace(string(formatted)) != strings.TrimSpace(code) {
		t.Errorf("not as gofmt has it (%v):\n%s", err, code)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "block.go")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "out"), file)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s\n%s", err, out, source)
	}
}

// program makes a whole file of a block: a file as it is, declarations with their imports, or
// statements in a func.
func program(code string) (string, error) {
	if strings.HasPrefix(code, "package ") {
		return code, nil
	}
	body := code
	if !strings.HasPrefix(code, "func ") && !strings.HasPrefix(code, "type ") {
		body = "func _() {" + given + "\n{\n" + code + use(code) + "}\n}\n"
	}
	file, err := parser.ParseFile(token.NewFileSet(), "block.go", "package main\n"+body, 0)
	if err != nil {
		return "", err
	}
	used := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if selector, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := selector.X.(*ast.Ident); ok && imports[x.Name] != "" {
				used[x.Name] = true
			}
		}
		return true
	})
	var b strings.Builder
	b.WriteString("package main\n\nimport (\n")
	for _, name := range slices.Sorted(maps.Keys(used)) {
		fmt.Fprintf(&b, "\t%s %q\n", name, imports[name])
	}
	b.WriteString(")\n\nfunc main() {}\n\n" + body)
	return b.String(), nil
}

var declared = regexp.MustCompile(`(?m)^(\w+)(?:, (\w+))? := `)

// use uses what the statements of a fragment declare, since a fragment may end there.
func use(code string) string {
	var b strings.Builder
	for _, names := range declared.FindAllStringSubmatch(code, -1) {
		for _, name := range names[1:] {
			if name != "" && name != "_" {
				b.WriteString("_ = " + name + "\n")
			}
		}
	}
	return b.String()
}

func TestReadmeIsShort(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(root + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(text), "\n"); lines >= 250 {
		t.Errorf("README.md has %d lines, want under 250: the rest belongs into docs/", lines)
	}
	program := goBlock.FindSubmatch(text)
	if program == nil || !strings.HasPrefix(string(program[1]), "package main") {
		t.Fatal("the first Go block is no program")
	}
	if lines := strings.Count(string(program[1]), "\n"); lines > 35 {
		t.Errorf("the first program has %d lines, want at most 35", lines)
	}
}

var link = regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)|(?:src|srcset|href)="([^"#]+)"`)

func TestLinksToFilesOfTheRepositoryLeadSomewhere(t *testing.T) {
	t.Parallel()
	docs, err := filepath.Glob(root + "/docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob(root + "/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range append(docs, more...) {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			target := m[1] + m[3]
			if strings.Contains(target, ":") || strings.HasPrefix(target, "/") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(doc), target)); err != nil {
				t.Errorf("%s links to %s, which is not there", filepath.Base(doc), target)
			}
		}
	}
}
