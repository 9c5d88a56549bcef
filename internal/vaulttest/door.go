package vaulttest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// door is an address that stays the same while the container behind it gets another port.
type door struct {
	listener net.Listener

	mu     sync.Mutex
	target string
	open   map[net.Conn]bool
	closed bool
	wg     sync.WaitGroup
}

func openDoor(tb testing.TB) *door {
	tb.Helper()
	listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	d := &door{listener: listener, open: make(map[net.Conn]bool)}
	d.wg.Go(d.serve)
	return d
}

func (d *door) lead(target string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.target = target
}

func (d *door) serve() {
	for {
		in, err := d.listener.Accept()
		if err != nil {
			return
		}
		d.wg.Go(func() { d.pass(in) })
	}
}

func (d *door) pass(in net.Conn) {
	defer func() { _ = in.Close() }()
	d.mu.Lock()
	target := d.target
	d.mu.Unlock()
	out, err := net.Dial("tcp", target) //nolint:noctx // It ends with close.
	if err != nil {
		return
	}
	defer func() { _ = out.Close() }()
	if !d.hold(in, out) {
		return
	}
	defer d.release(in, out)
	done := make(chan bool, 2)
	for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1])
			_ = pair[0].Close()
			_ = pair[1].Close()
			done <- true
		}()
	}
	<-done
	<-done
}

func (d *door) hold(conns ...net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range conns {
		d.open[c] = true
	}
	return !d.closed
}

func (d *door) release(conns ...net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range conns {
		delete(d.open, c)
	}
}

func (d *door) close() {
	_ = d.listener.Close()
	d.mu.Lock()
	d.closed = true
	for c := range d.open {
		_ = c.Close()
	}
	d.mu.Unlock()
	d.wg.Wait()
}
