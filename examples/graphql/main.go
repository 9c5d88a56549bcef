// Command graphql asks GitHub's GraphQL API as the user: who they are and what they last worked on, in one request. It needs
// nothing but net/http; any GraphQL client that takes an *http.Client works in the same way.
//
//	go run ./examples/graphql
//
// With nothing set it signs in at a fake GitHub of its own, offline. To use a real one, set GITHUB_CLIENT_ID and
// GITHUB_CLIENT_SECRET of an app with the callback URL http://127.0.0.1:8080/auth/github/callback. It prints:
//
//	Open http://127.0.0.1:8080/
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/demo"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/store/memory"
)

func main() {
	os.Exit(demo.Server{Name: "graphql", App: githubtest.App{Name: "GraphQL"}}.Main(run))
}

func run(ctx context.Context, site demo.Site) error {
	auth, err := middleware.NewFromEnv(memory.New(), middleware.WithLogger(site.Log))
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", auth.Require(work(auth)))
	return site.Serve(ctx, auth.Middleware(mux), auth)
}

const query = `query ($n: Int!) {
	viewer { login repositories(first: $n) { totalCount nodes { nameWithOwner } } }
}`

// answer has a field for each that query asks for.
type answer struct {
	Viewer struct {
		Login        string
		Repositories struct {
			TotalCount int
			Nodes      []struct{ NameWithOwner string }
		}
	}
}

func work(auth *middleware.Authenticator) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		client, _ := middleware.HTTPClientFromContext(r.Context()) // There behind Require.
		var a answer
		err := ask(r.Context(), client, auth.Manager().Host().GraphQLURL(), query, map[string]any{"n": 10}, &a)
		if err != nil {
			auth.Fail(w, r, err) // Sends the user to sign in again if that is what is wrong.
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "%s, you can see %d repositories:\n", a.Viewer.Login, a.Viewer.Repositories.TotalCount)
		for _, repo := range a.Viewer.Repositories.Nodes {
			fmt.Fprintln(w, repo.NameWithOwner)
		}
	}
}

// ask sends a query and reads its data. GraphQL answers 200 also when it could not do what was asked.
func ask(ctx context.Context, client *http.Client, address, query string, variables map[string]any, data any) error {
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	reply := struct {
		Data   any
		Errors []struct{ Message string }
	}{Data: data}
	if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil || resp.StatusCode != http.StatusOK {
		return errors.Join(fmt.Errorf("the GraphQL API answers %s", resp.Status), err)
	}
	if len(reply.Errors) > 0 {
		return errors.New("the GraphQL API: " + reply.Errors[0].Message)
	}
	return nil
}
