package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The README says how to make the folder one's own. What it says is done here, but for the release, in whose place this tree
// stands: neither may an import of the repository's insides, nor a path out of the folder, keep a copy from being built.
func TestCopyMadeAsREADMESaysBuilds(t *testing.T) {
	t.Parallel()
	tree, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	tests, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil || len(tests) == 0 {
		t.Fatalf("there are no tests to take out: %v", err)
	}
	for _, path := range append(tests, filepath.Join(dir, "check")) {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	inCopy := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s in a copy: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	inCopy(strings.Fields(lineOf(t, "README.md", "go mod edit "))[1:]...)
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if text := string(mod); strings.Contains(text, "github.com/ghlogin/ghlogin") || !strings.HasPrefix(text, "module example.com/shop\n") {
		t.Errorf("the copy's go.mod is still the tree's:\n%.300s", text)
	}
	inCopy("mod", "edit", "-require=github.com/ghlogin/ghlogin@v0.0.0", "-replace=github.com/ghlogin/ghlogin="+tree)
	bin := t.TempDir()
	inCopy("build", "-o", filepath.Join(bin, "production"), ".")
	fake := strings.Fields(lineOf(t, "build", `-o "$context/fakegithub"`))
	inCopy("build", "-o", filepath.Join(bin, "fakegithub"), fake[len(fake)-1])
}

// lineOf is the first line of a file in which text stands.
func lineOf(t *testing.T, file, text string) string {
	t.Helper()
	all, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(all)) {
		if strings.Contains(line, text) {
			return strings.TrimSpace(line)
		}
	}
	t.Fatalf("%s has no line with %s", file, text)
	return ""
}
