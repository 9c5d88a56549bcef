// Package demotest builds and runs example programs in tests, and visits them as a browser would.
package demotest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// limit bounds how long a test waits for one thing that a program does.
const limit = 30 * time.Second

// buildLimit bounds a build, which takes minutes where nothing is in the build cache.
const buildLimit = 5 * time.Minute

// Build compiles the command in the folder dir and returns the path of the program, which lives as
// long as t.
func Build(t *testing.T, dir string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "program")
	if err := BuildAs(dir, bin); err != nil {
		t.Fatal(err)
	}
	return bin
}

// BuildAs compiles the command in the folder dir to the file bin, an absolute path.
func BuildAs(dir, bin string) error {
	ctx, cancel := context.WithTimeout(context.Background(), buildLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-o", bin, ".") //nolint:gosec // The test says what it builds.
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build in %s: %w\n%s", dir, err, out)
	}
	return nil
}

// Program is an example that runs.
type Program struct {
	cmd            *exec.Cmd
	stdout, stderr output
	ended          chan struct{} // Closed when the program has ended.
}

// ofTheShell begins the names of variables by which a developer's shell would lead a program astray: to an app
// at the real GitHub, or into a Vault.
var ofTheShell = []string{"GITHUB_", "GHLOGIN_", "VAULT_"}

// Start runs bin. Of this process's environment it sees everything but GITHUB_, GHLOGIN_ and VAULT_ variables,
// which env may set as NAME=value. It is killed if it still runs at the end of the test.
func Start(t *testing.T, bin string, env []string, args ...string) *Program {
	t.Helper()
	p := &Program{
		cmd:   exec.CommandContext(t.Context(), bin, args...), //nolint:gosec // The test has built it.
		ended: make(chan struct{}),
	}
	p.stdout.grew, p.stderr.grew = make(chan struct{}, 1), make(chan struct{}, 1)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	for _, v := range os.Environ() {
		if !slices.ContainsFunc(ofTheShell, func(prefix string) bool { return strings.HasPrefix(v, prefix) }) {
			p.cmd.Env = append(p.cmd.Env, v)
		}
	}
	p.cmd.Env = append(p.cmd.Env, env...)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		<-p.ended // The end of t.Context has killed it.
		if stderr := p.stderr.String(); t.Failed() && stderr != "" {
			t.Logf("the program's standard error:\n%s", stderr)
		}
	})
	return p
}

// Line waits for a line on standard output that begins with prefix, and returns the rest of it.
func (p *Program) Line(t *testing.T, prefix string) string {
	t.Helper()
	timeout := time.After(limit)
	for ended := false; ; {
		for line := range strings.Lines(p.stdout.String()) {
			if rest, ok := strings.CutPrefix(line, prefix); ok && strings.HasSuffix(line, "\n") {
				return strings.TrimSpace(rest)
			}
		}
		if ended {
			t.Fatalf("the program ended without a line %q\n%s%s", prefix, p.stdout.String(), p.stderr.String())
		}
		select {
		case <-p.stdout.grew:
		case <-p.ended:
			ended = true
		case <-timeout:
			t.Fatalf("no line %q\n%s%s", prefix, p.stdout.String(), p.stderr.String())
		}
	}
}

// Interrupt sends the program what Ctrl-C does.
func (p *Program) Interrupt(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
}

// Wait waits for the end of the program and returns its exit status, -1 if a signal killed it, and
// what it printed.
func (p *Program) Wait(t *testing.T) (status int, stdout, stderr string) {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(limit):
		t.Fatalf("the program did not end\n%s%s", p.stdout.String(), p.stderr.String())
	}
	return p.cmd.ProcessState.ExitCode(), p.stdout.String(), p.stderr.String()
}

// output keeps what a program prints. It is safe for concurrent use.
type output struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	grew chan struct{}
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.buf.Write(p)
	select {
	case o.grew <- struct{}{}:
	default:
	}
	return n, err
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// RefusesBadInput checks that bin, given env, ends at once with status 1 and one message on standard
// error that holds every one of want, is no stack trace, and repeats nothing of secret.
func RefusesBadInput(t *testing.T, bin string, env []string, secret string, want ...string) {
	t.Helper()
	status, _, stderr := Start(t, bin, env, "-addr", "127.0.0.1:0").Wait(t)
	if status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
	for _, words := range want {
		if !strings.Contains(stderr, words) {
			t.Errorf("no word about %q in:\n%s", words, stderr)
		}
	}
	if strings.Contains(stderr, "goroutine ") || strings.Contains(stderr, "panic") {
		t.Errorf("a stack trace:\n%s", stderr)
	}
	if secret != "" && strings.Contains(stderr, secret) {
		t.Error("the message repeats the secret")
	}
}

// EndsOnInterrupt checks that bin, once it waits for a visitor, ends with status 0 and without a
// complaint when it is interrupted.
func EndsOnInterrupt(t *testing.T, bin string) {
	t.Helper()
	p := Start(t, bin, nil, "-addr", "127.0.0.1:0")
	p.Line(t, "Open ")
	p.Interrupt(t)
	if status, _, stderr := p.Wait(t); status != 0 || stderr != "" {
		t.Errorf("status %d, error %q", status, stderr)
	}
}
