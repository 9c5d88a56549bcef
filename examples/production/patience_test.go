package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

// A Redis that says nothing, from the start or later, or does not even take connections.
func TestHangingRedisCostsAPageTwoSeconds(t *testing.T) {
	t.Parallel()
	for name, dial := range map[string]func(context.Context, string, string) (net.Conn, error){
		"silent": func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, server) }()
			return client, nil
		},
		"hangs after its greeting": func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go refuseGreeting(server)
			return client, nil
		},
		"unreachable": func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done() // The client gives a dialer DialTimeout.
			return nil, ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o, err := redis.ParseURL("redis://192.0.2.1:6379/0") // A name would be looked up, which no bubble can wait for.
				if err != nil {
					t.Fatal(err)
				}
				o.Dialer = dial
				client := redis.NewClient(impatient(*o))
				defer client.Close()
				start := time.Now()
				err = client.Get(t.Context(), "a-session").Err()
				if took := time.Since(start); err == nil || took > 2500*time.Millisecond {
					t.Errorf("after %v: %v", took, err)
				}
			})
		})
	}
}

// refuseGreeting answers what a client sends first as an old Redis does, and nothing from the first GET on.
func refuseGreeting(server net.Conn) {
	buf := make([]byte, 4<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		if said := strings.ToLower(string(buf[:n])); !strings.Contains(said, "\r\nget\r\n") {
			_, _ = io.WriteString(server, strings.Repeat("-ERR unknown command\r\n", strings.Count(said, "*")))
		}
	}
}

func TestWaitsOfREDISURLCount(t *testing.T) {
	t.Parallel()
	o, err := redis.ParseURL("redis://redis.example:6379/0?read_timeout=7s&max_retries=5")
	if err != nil {
		t.Fatal(err)
	}
	if got := impatient(*o); got.ReadTimeout != 7*time.Second || got.MaxRetries != 5 {
		t.Errorf("read timeout %v, %d retries", got.ReadTimeout, got.MaxRetries)
	}
}

func TestDurationsInTheLogHaveAUnit(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	newLog(&text).Info("request", slog.Duration("took", 1500*time.Microsecond), slog.Group("g", slog.Duration("took", time.Second)))
	var line struct {
		Took string
		G    struct{ Took string }
	}
	if err := json.Unmarshal([]byte(text.String()), &line); err != nil || line.Took != "1.5ms" || line.G.Took != "1s" {
		t.Errorf("%v: %s", err, text.String())
	}
}
