package houserules

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"strings"
	"testing"
)

// libraryPackages are the folders that users import. Packages below them count too, commands do not.
var libraryPackages = []string{"oauth", "store", "store/memory", "store/storetest", "grant", "middleware", "githubtest"}

func TestEveryExportedNameOfTheLibraryHasADocComment(t *testing.T) {
	t.Parallel()
	exports := map[string]int{}
	packageDocs := map[string]int{}
	for _, file := range sources(t) {
		folder := path.Dir(file.path)
		if !isLibrary(folder) || file.ast.Name.Name == "main" {
			continue
		}
		exports[folder]++
		if text := file.ast.Doc.Text(); strings.HasPrefix(text, "Package "+file.ast.Name.Name+" ") {
			packageDocs[folder]++
		}
		for _, problem := range undocumented(file) {
			t.Error(problem)
		}
	}
	for _, folder := range libraryPackages {
		if exports[folder] == 0 {
			t.Errorf("%s: no Go files found; if the package moved, say so in libraryPackages", folder)
		}
	}
	for folder := range exports {
		if packageDocs[folder] != 1 {
			t.Errorf("%s: %d package comments, want one, in one file", folder, packageDocs[folder])
		}
	}
}

func isLibrary(folder string) bool {
	for _, library := range libraryPackages {
		if within(folder, library) && !strings.Contains("/"+folder+"/", "/internal/") {
			return true
		}
	}
	return false
}

// undocumented returns one line for each exported name of the file that has no comment of its own: functions, methods
// of exported types, types, constants, variables, and the methods of exported interfaces. A struct's fields may share
// one comment, above the first of a run of lines or at the end of a line.
func undocumented(file sourceFile) []string {
	var problems []string
	report := func(name *ast.Ident, kind string) {
		problems = append(problems, fmt.Sprintf("%s: exported %s %s has no doc comment", file.fset.Position(name.Pos()), kind, name.Name))
	}
	for _, decl := range file.ast.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Name.IsExported() && decl.Doc == nil && (decl.Recv == nil || ast.IsExported(receiver(decl))) {
				report(decl.Name, "function")
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					if !spec.Name.IsExported() {
						continue
					}
					if spec.Doc == nil && (decl.Doc == nil || decl.Lparen.IsValid()) {
						report(spec.Name, "type")
					}
					undocumentedMembers(file.fset, spec.Type, report)
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						if name.IsExported() && spec.Doc == nil && spec.Comment == nil && (decl.Doc == nil || decl.Lparen.IsValid()) {
							report(name, decl.Tok.String())
						}
					}
				}
			}
		}
	}
	return problems
}

// undocumentedMembers reports the undocumented fields of a struct and methods of an interface.
func undocumentedMembers(fset *token.FileSet, typ ast.Expr, report func(*ast.Ident, string)) {
	switch typ := typ.(type) {
	case *ast.StructType:
		runDocumented, lastLine := false, 0
		for _, field := range typ.Fields.List {
			first := field.Pos()
			if field.Doc != nil {
				first = field.Doc.Pos()
			}
			if fset.Position(first).Line != lastLine+1 {
				runDocumented = false
			}
			lastLine = fset.Position(field.End()).Line
			runDocumented = runDocumented || field.Doc != nil
			for _, name := range field.Names {
				if name.IsExported() && !runDocumented && field.Comment == nil {
					report(name, "field")
				}
			}
		}
	case *ast.InterfaceType:
		for _, method := range typ.Methods.List {
			for _, name := range method.Names {
				if name.IsExported() && method.Doc == nil && method.Comment == nil {
					report(name, "method")
				}
			}
		}
	}
}

// receiver returns the name of the type that a method belongs to.
func receiver(decl *ast.FuncDecl) string {
	typ := decl.Recv.List[0].Type
	for {
		switch t := typ.(type) {
		case *ast.StarExpr:
			typ = t.X
		case *ast.IndexExpr:
			typ = t.X
		case *ast.IndexListExpr:
			typ = t.X
		case *ast.Ident:
			return t.Name
		default:
			return ""
		}
	}
}

func TestUndocumentedSeesEachKindOfName(t *testing.T) {
	t.Parallel()
	tests := map[string]string{ // source → the names that must be reported, in order
		"func F() {}":                "F",
		"// F does it.\nfunc F() {}": "",
		"func f() {}":                "",
		"type T int":                 "T",
		"// T is one.\ntype T int\nfunc (T) M() {}":            "M",
		"type t int\nfunc (*t) M() {}":                         "",
		"// T is one.\ntype T[K any] int\nfunc (*T[K]) M() {}": "M",
		"const A = 1":               "A",
		"// A is one.\nconst A = 1": "",
		"// Both.\nconst (\n\tA = 1\n\tB = 2 // B is two.\n)": "A",
		"var V, W int": "V W",
		"// Some.\ntype (\n\tT int\n\t// U is one.\n\tU int\n)":                                     "T",
		"// I is one.\ntype I interface {\n\tM()\n\t// N does it.\n\tN()\n}":                        "M",
		"// S is one.\ntype S struct {\n\tA int\n\tb int\n\tC int // in m\n}":                       "A",
		"// S is one.\ntype S struct {\n\t// A and B are sides.\n\tA, B int\n\tC int\n\n\tD int\n}": "D",
	}
	for source, want := range tests {
		var names []string
		for _, problem := range undocumented(parseText(t, "x.go", "package x\n"+source)) {
			words := strings.Fields(problem)
			names = append(names, words[3])
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("reported %q, want %q, for:\n%s", got, want, source)
		}
	}
}
