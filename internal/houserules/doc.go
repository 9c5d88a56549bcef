// Package houserules holds tests of the rules that the compiler does not keep: what a program that imports the
// library links, that every exported name is documented, who may read a secret's text, and that every direct
// dependency is accounted for. It has no code of its own.
package houserules
