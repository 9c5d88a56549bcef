package chaos_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ghlogin/ghlogin/e2e/chaos"
	"github.com/ghlogin/ghlogin/internal/demo/demotest"
)

// replica is one process of the fleet. When it is killed another takes its slot, with another name.
type replica struct {
	name  string
	base  string
	cmd   *exec.Cmd
	stdin io.Closer // Its end ends the process.
	ready chan struct{}
	gone  chan struct{}

	mu     sync.Mutex
	killed time.Time // When SIGKILL was sent.
	notes  []chaos.Note
	stderr tail
}

// fleet is the replicas that run, by slot, and all that ever did.
type fleet struct {
	bin    string
	env    []string
	client *http.Client

	mu   sync.Mutex
	slot []*replica // Nil while there is none.
	all  []*replica
}

func newFleet(t *testing.T, n int, env []string) *fleet {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 1024}
	f := &fleet{bin: demotest.Build(t, "replica"), env: env, client: &http.Client{Transport: transport}, slot: make([]*replica, n)}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		for _, r := range f.every() {
			r.kill()
		}
	})
	for i := range f.slot {
		f.start(t, i)
	}
	for _, r := range f.every() {
		select {
		case <-r.ready:
		case <-r.gone:
			t.Fatalf("replica %s ended:\n%s", r.name, r.stderr.String())
		case <-time.After(limit):
			t.Fatalf("replica %s did not start within %v", r.name, limit)
		}
	}
	return f
}

// start runs a replica in a slot. It serves once it could log in to Vault.
func (f *fleet) start(t *testing.T, slot int) {
	t.Helper()
	r, err := f.run(slot)
	if err != nil {
		t.Errorf("start a replica: %v", err)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.slot[slot] = r
	f.all = append(f.all, r)
}

func (f *fleet) run(slot int) (*replica, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close() // The process has its own, so that nobody listens when it is dead.
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	f.mu.Lock()
	name := fmt.Sprintf("r%d.%d", slot, len(f.all))
	f.mu.Unlock()
	r := &replica{name: name, base: "http://" + l.Addr().String(), ready: make(chan struct{}), gone: make(chan struct{})}
	r.cmd = exec.Command(f.bin)
	r.cmd.Env = slices.Concat(f.env, []string{"CHAOS_NAME=" + name})
	r.cmd.ExtraFiles, r.cmd.Stderr = []*os.File{file}, &r.stderr
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // A Ctrl-C is the harness's.
	if r.stdin, err = r.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	go r.read(stdout)
	return r, nil
}

// read takes the diary down until the process has ended.
func (r *replica) read(stdout io.Reader) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		var n chaos.Note
		if json.Unmarshal(lines.Bytes(), &n) != nil {
			continue
		}
		if n.Op == chaos.Ready {
			close(r.ready)
			continue
		}
		r.mu.Lock()
		r.notes = append(r.notes, n)
		r.mu.Unlock()
	}
	_ = r.cmd.Wait()
	close(r.gone)
}

// kill kills the replica with SIGKILL and waits until it is gone. One that ended by itself before counts as such.
func (r *replica) kill() {
	select {
	case <-r.gone:
		return
	default:
	}
	r.mu.Lock()
	first := r.killed.IsZero()
	if first {
		r.killed = time.Now()
	}
	r.mu.Unlock()
	if first {
		_ = r.cmd.Process.Kill()
	}
	<-r.gone
}

func (r *replica) killedAt() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.killed
}

func (r *replica) isReady() bool {
	select {
	case <-r.ready:
		return true
	default:
		return false
	}
}

func (r *replica) diary() []chaos.Note {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clip(r.notes)
}

// every returns all replicas that ever ran.
func (f *fleet) every() []*replica {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clip(f.all)
}

// serving returns the replicas that a load balancer would send a call to.
func (f *fleet) serving() (up []*replica) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.slot {
		if r != nil && r.isReady() {
			up = append(up, r)
		}
	}
	return up
}

// any returns one of them, or nil.
func (f *fleet) any() *replica {
	up := f.serving()
	if len(up) == 0 {
		return nil
	}
	return up[rand.N(len(up))]
}

// take empties a slot and returns what was in it, unless that does not serve yet.
func (f *fleet) take(slot int) *replica {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.slot[slot]
	if r != nil && r.isReady() {
		f.slot[slot] = nil
		return r
	}
	return nil
}

// slotOf returns the slot that a replica is in, or -1.
func (f *fleet) slotOf(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.IndexFunc(f.slot, func(r *replica) bool { return r != nil && r.name == name })
}

// post sends a form to a replica and reads its answer into v.
func (f *fleet) post(ctx context.Context, r *replica, path string, form url.Values, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := f.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return errors.New(resp.Status + ": " + string(text))
	}
	return json.NewDecoder(resp.Body).Decode(v)
}

// tail keeps the end of a log.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

// Write implements io.Writer.
func (o *tail) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf = append(o.buf, p...)
	o.buf = o.buf[max(0, len(o.buf)-4000):]
	return len(p), nil
}

func (o *tail) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.buf)
}
