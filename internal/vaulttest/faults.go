package vaulttest

import (
	"context"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// Seal seals the server, which must be one [OnDisk].
func (s *Server) Seal() {
	s.tb.Helper()
	s.must("seal", s.Root().Sys().SealWithContext(s.context()))
}

// Unseal unseals the server, and waits until it is at work.
func (s *Server) Unseal() {
	s.tb.Helper()
	root := s.Root()
	retry(s.tb, "unseal", func() error {
		_, err := root.Sys().UnsealWithContext(s.context(), s.unsealKey)
		return err
	})
	retry(s.tb, "become active", func() error {
		_, err := root.Sys().ListMountsWithContext(s.context())
		return err
	})
}

// Pause stops the server's clock: connections stay open, and nothing answers.
func (s *Server) Pause() {
	s.tb.Helper()
	s.docker("pause", func(ctx context.Context, c *testcontainers.DockerClient) error {
		_, err := c.ContainerPause(ctx, s.container.GetContainerID(), client.ContainerPauseOptions{})
		return err
	})
}

// Unpause ends a [Server.Pause].
func (s *Server) Unpause() {
	s.tb.Helper()
	s.docker("unpause", func(ctx context.Context, c *testcontainers.DockerClient) error {
		_, err := c.ContainerUnpause(ctx, s.container.GetContainerID(), client.ContainerUnpauseOptions{})
		return err
	})
}

func (s *Server) docker(what string, f func(context.Context, *testcontainers.DockerClient) error) {
	s.tb.Helper()
	c, err := testcontainers.NewDockerClientWithOpts(s.context())
	s.must("reach docker", err)
	defer func() { _ = c.Close() }()
	s.must(what, f(s.context(), c))
}

// Stop stops the server.
func (s *Server) Stop() {
	s.tb.Helper()
	at := 5 * time.Second
	// The engine may give the port to another container before this one starts again.
	s.door.lead("")
	s.must("stop", s.container.Stop(s.context(), &at))
}

// Restart starts a stopped server. One on disk is sealed then: see [Server.Unseal].
func (s *Server) Restart() {
	s.tb.Helper()
	s.must("start", s.container.Start(s.context()))
	s.door.lead(s.target())
}
