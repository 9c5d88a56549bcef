package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// A stream goes on for as long as its reader likes. The stop must come to what is stopped after the server, where refreshed tokens
// are stored: fx stops nothing more once the time is up.
func TestStreamDoesNotUseUpTheTimeOfTheStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		s := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			close(ended)
		})}
		here, there := net.Pipe()
		listener := &pipeListener{conns: make(chan net.Conn, 1)}
		listener.conns <- there
		go func() { _ = s.Serve(listener) }()
		if _, err := io.WriteString(here, "GET / HTTP/1.1\r\nHost: app.example\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		stop, cancel := context.WithTimeout(t.Context(), stopTimeout)
		defer cancel()
		start := time.Now()
		if err := drain(stop, s, drainPages); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("drain = %v, want that requests were cut off", err)
		}
		if left := stopTimeout - leaveFor - drainAdmin - time.Since(start); left < 10*time.Second {
			t.Errorf("%v are left for tokens, Vault and traces", left)
		}
		<-ended
	})
}

// pipeListener accepts what it is given.
type pipeListener struct{ conns chan net.Conn }

func (l *pipeListener) Accept() (net.Conn, error) {
	conn, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (l *pipeListener) Close() error {
	close(l.conns)
	return nil
}

func (*pipeListener) Addr() net.Addr { return &net.TCPAddr{} }
