// Command mutate takes the library's security checks out, one by one, and sees whether a test fails: a check that no test
// misses protects nobody for long. `make mutate` runs it; the list is mutations.go.
//
// Nothing is changed in the tree: each mutant is given to the go command as an overlay.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// limit bounds the tests of one mutant: one that hangs counts as found.
const limit = 5 * time.Minute

func main() {
	only := flag.String("run", "", "a regular expression: only the mutations whose names match")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *only)
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only string) error {
	match, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	missed, tried := 0, 0
	for _, m := range mutations {
		if !match.MatchString(m.name) {
			continue
		}
		tried++
		began := time.Now()
		by, err := m.foundBy(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			missed++
			_, _ = fmt.Printf("BROKEN  %s: %v\n", m.name, err)
		case by == "":
			missed++
			_, _ = fmt.Printf("MISSED  %s (%s)\n", m.name, m.file)
		default:
			_, _ = fmt.Printf("found   %s, by %s (%v)\n", m.name, by, time.Since(began).Round(time.Second))
		}
	}
	_, _ = fmt.Printf("%d mutations, %d found, %d missed\n", tried, tried-missed, missed)
	if missed > 0 {
		return fmt.Errorf("%d of the checks are missed by no test, or their mutation is broken", missed)
	}
	return nil
}

// mutation is one check taken out.
type mutation struct {
	name     string
	file     string // From the module's root.
	old, new string // What stands there once, and what takes its place.
	tests    string // The packages whose tests are to find it, separated by spaces,
	run      string // and which of them, as a regular expression; empty is all.
}

// apply returns the file with the mutation.
func (m mutation) apply(root string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(root, m.file)) //nolint:gosec // The list says which.
	if err != nil {
		return nil, err
	}
	if n := bytes.Count(text, []byte(m.old)); n != 1 {
		return nil, fmt.Errorf("%s holds %q %d times, want once: bring the list up to date", m.file, m.old, n)
	}
	return bytes.Replace(text, []byte(m.old), []byte(m.new), 1), nil
}

var failed = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// foundBy returns the first test that fails, or "" if none does.
func (m mutation) foundBy(ctx context.Context) (string, error) {
	root, err := filepath.Abs(".")
	if err != nil {
		return "", err
	}
	text, err := m.apply(root)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	mutant, overlay := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(root, m.file): mutant}})
	if err != nil {
		return "", err
	}
	for file, content := range map[string][]byte{mutant: text, overlay: list} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			return "", err
		}
	}

	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	args := append([]string{"test", "-count=1", "-failfast", "-run", m.run, "-overlay", overlay}, strings.Fields(m.tests)...)
	out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput() //nolint:gosec // The list says what.
	switch {
	case ctx.Err() == context.DeadlineExceeded:
		return "a test that hangs", nil
	case err == nil:
		return "", nil
	case bytes.Contains(out, []byte("[build failed]")) || bytes.Contains(out, []byte("[setup failed]")):
		return "", fmt.Errorf("it does not compile, which proves nothing:\n%s", out)
	}
	if test := failed.FindSubmatch(out); test != nil {
		return string(test[1]), nil
	}
	return "", fmt.Errorf("the tests ended in another way than by failing:\n%s", out)
}
