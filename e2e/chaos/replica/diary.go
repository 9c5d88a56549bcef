package main

import (
	"context"
	"encoding/json"
	"os"
	"time"

	"github.com/ghlogin/ghlogin/e2e/chaos"
	"github.com/ghlogin/ghlogin/store"
)

// diary is a store that writes each write down on standard output. What is written there survives the
// replica.
type diary struct{ store.Store }

// Put implements [store.Store].
func (d diary) Put(ctx context.Context, key string, e store.Entry) (string, error) {
	began := time.Now()
	version, err := d.Store.Put(ctx, key, e)
	var g chaos.Grant
	if json.Unmarshal(e.Value, &g) != nil {
		return version, err
	}
	n := chaos.Note{
		Op: opOf(g), Began: began, Took: time.Since(began), User: key, Generation: g.Generation,
		Token: chaos.Fingerprint(g.Token.RefreshToken), Owner: g.Lease.Owner, Reason: g.NeedsLogin,
	}
	if n.Op == chaos.GiveBack {
		n.Reason = g.Failure.Code
	}
	if err != nil {
		n.Err = err.Error()
	}
	write(n)
	return version, err
}

func opOf(g chaos.Grant) chaos.Op {
	switch {
	case g.Lease.Owner != "":
		return chaos.Claim
	case g.NeedsLogin != "":
		return chaos.Mark
	case g.Failure.Count > 0:
		return chaos.GiveBack
	case g.Generation > 0:
		return chaos.Commit
	case g.Lineage != "":
		return chaos.SignedIn
	}
	return chaos.Other
}

// write puts a note on a line of its own, in one write, so that a kill leaves all of it or nothing.
func write(n chaos.Note) {
	line, err := json.Marshal(n)
	if err == nil {
		_, _ = os.Stdout.Write(append(line, '\n'))
	}
}
