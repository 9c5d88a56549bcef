package oauth_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

// rawGitHub answers each connection as serve likes, below HTTP.
func rawGitHub(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				defer func() { _ = conn.Close() }()
				_, _ = conn.Read(make([]byte, 1<<16)) // The request; its content is of no matter.
				serve(conn)
			})
		}
	})
	t.Cleanup(func() { _ = listener.Close(); open.Wait() })
	return "http://" + listener.Addr().String()
}

// forever writes text until the client hangs up.
func forever(conn net.Conn, text string) {
	for {
		if _, err := io.WriteString(conn, text); err != nil {
			return
		}
	}
}

const okJSON = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

// Real connections to a server that is no GitHub, or no longer one. Each call ends, in bounded memory, in an error that
// says that the answer's fate is unknown and shows nothing of it.
func TestServersThatAreNoGitHub(t *testing.T) {
	t.Parallel()
	bomb := new(bytes.Buffer)
	pack := gzip.NewWriter(bomb)
	if _, err := io.CopyN(pack, endless{}, 64<<20); err != nil {
		t.Fatal(err)
	}
	if err := pack.Close(); err != nil {
		t.Fatal(err)
	}
	for name, serve := range map[string]func(net.Conn){
		"noise":            func(c net.Conn) { _, _ = c.Write([]byte("\x16\x03\x01\x00\xa5\x01\x00\x00")) },
		"another protocol": func(c net.Conn) { _, _ = io.WriteString(c, "220 mail.example ESMTP\r\n") },
		"nothing":          func(net.Conn) {},
		"silence":          func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
		"endless body":     func(c net.Conn) { _, _ = io.WriteString(c, okJSON+"\r\n"); forever(c, strings.Repeat(" ", 1<<16)) },
		"endless header": func(c net.Conn) {
			_, _ = io.WriteString(c, okJSON)
			forever(c, "X-Pad: "+strings.Repeat("x", 1<<12)+"\r\n")
		},
		"endless line":        func(c net.Conn) { _, _ = io.WriteString(c, okJSON+"X: "); forever(c, strings.Repeat("x", 1<<12)) },
		"endless status":      func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 "); forever(c, strings.Repeat("x", 1<<12)) },
		"endless early hints": func(c net.Conn) { forever(c, "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n") },
		"chunk of exabytes": func(c net.Conn) {
			_, _ = io.WriteString(c, okJSON+"Transfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n{")
		},
		"chunks without end": func(c net.Conn) {
			_, _ = io.WriteString(c, okJSON+"Transfer-Encoding: chunked\r\n\r\n")
			forever(c, "1\r\n \r\n")
		},
		"length of exabytes": func(c net.Conn) { _, _ = io.WriteString(c, okJSON+"Content-Length: 9000000000000000000\r\n\r\n{") },
		"two lengths":        func(c net.Conn) { _, _ = io.WriteString(c, okJSON+"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x") },
		"a bomb": func(c net.Conn) {
			_, _ = fmt.Fprintf(c, okJSON+"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", bomb.Len())
			_, _ = c.Write(bomb.Bytes())
		},
		"a byte at a time": func(c net.Conn) { drip(c, okJSON+"\r\n"+`{"access_token":"gho_x"`) },
		"an upgrade": func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		},
		"no content":            func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n") },
		"status of four digits": func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 2000 OK\r\n\r\n") },
	} {
		web := rawGitHub(t, serve)
		tooLong := name == "endless body" || name == "a bomb"
		timeout := 500 * time.Millisecond // Many of them never end.
		if tooLong {
			timeout = time.Minute
		}
		for _, op := range []string{"exchange", "read user"} { // The others go the same two ways.
			t.Run(name+", "+op, func(t *testing.T) {
				t.Parallel()
				own := &http.Transport{}
				t.Cleanup(own.CloseIdleConnections)
				client := newClient(t, web, oauth.WithHTTPClient(&http.Client{Transport: own}), oauth.WithTimeout(timeout))
				e := asError(t, calls[op](t.Context(), client), oauth.ErrTryLater)
				if !e.Unknown || strings.Contains(e.Error(), "gho_") || strings.Contains(e.Error(), "ESMTP") {
					t.Errorf("the error is %+v", e)
				}
				if tooLong && !strings.Contains(e.Error(), "too large") {
					t.Errorf("it was not for its length that the answer was refused: %v", e)
				}
			})
		}
	}
}

func drip(conn net.Conn, text string) {
	for _, c := range []byte(text) {
		if _, err := conn.Write([]byte{c}); err != nil {
			return
		}
	}
	_, _ = io.Copy(io.Discard, conn)
}

// A client that was given a jar and a policy on redirects uses neither: no cookie, no credential goes on to where a
// redirect points, at the same host or elsewhere.
func TestRedirectGetsNothingWhateverTheClientAllows(t *testing.T) {
	t.Parallel()
	var f *fake
	f = newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "elsewhere") {
			t.Errorf("the redirect was followed, with %v", r.Header)
		}
		http.SetCookie(w, &http.Cookie{Name: "planted", Value: "x"})
		http.Redirect(w, r, f.URL+"/elsewhere", http.StatusPermanentRedirect)
	})
	hc := f.Client()
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return nil }
	client := newClient(t, f.URL, oauth.WithHTTPClient(hc))
	for name, do := range calls {
		asError(t, do(t.Context(), client), oauth.ErrMisconfigured)
		for _, call := range f.seen() {
			if call.header.Get("Cookie") != "" {
				t.Errorf("%s: a cookie came back", name)
			}
		}
	}
	if got := len(f.seen()); got != len(calls) {
		t.Errorf("%d requests were sent for %d calls", got, len(calls))
	}
}

// The deadline of a request is the caller's too: a short one ends it, and says so. The connection is a pipe, so that it ends when
// the request is there, however slow the machine is.
func TestCallersDeadlineEndsACallThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		own := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, theirs) }()
			return ours, nil
		}}
		client := newClient(t, "http://127.0.0.1", oauth.WithHTTPClient(&http.Client{Transport: own}), oauth.WithTimeout(time.Hour))
		for name, do := range calls {
			start := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			err := do(ctx, client)
			cancel()
			if took := time.Since(start); took != 50*time.Millisecond {
				t.Errorf("%s: the call ended after %v", name, took)
			}
			if e := asError(t, err, oauth.ErrTryLater); !errors.Is(err, context.DeadlineExceeded) || !e.Unknown {
				t.Errorf("%s: the error is %+v", name, e)
			}
		}
	})
}
