// Package check holds the tests of compose.yaml and kubernetes.yaml. They are a module of their own, so that nobody who copies the
// example gets the libraries that read those files.
package check
