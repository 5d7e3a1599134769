// Command bundle makes the web page of its sources, web to dist: one program, one stylesheet, and index.html as it is.
// It needs no Node, and nothing from outside: the few modules that the page uses are in web/vendor.
package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

func main() {
	files, err := bundle("web")
	if err == nil {
		err = write("dist", files)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		os.Exit(1)
	}
}

// bundle returns the page's files by name, made of the sources in a folder.
func bundle(web string) (map[string][]byte, error) {
	web, err := filepath.Abs(web)
	if err != nil {
		return nil, err
	}
	made := api.Build(api.BuildOptions{
		AbsWorkingDir: web,
		EntryPointsAdvanced: []api.EntryPoint{
			{InputPath: "main.tsx", OutputPath: "page"}, {InputPath: "style/page.css", OutputPath: "page"},
		},
		NodePaths: []string{filepath.Join(web, "vendor")},
		Outdir:    filepath.Join(web, "..", "dist"),
		Bundle:    true, MinifySyntax: true, MinifyWhitespace: true, MinifyIdentifiers: true,
		Format: api.FormatIIFE, Platform: api.PlatformBrowser, Target: api.ES2022, Charset: api.CharsetASCII,
		JSX: api.JSXAutomatic, JSXImportSource: "preact",
		LegalComments: api.LegalCommentsNone, LogLevel: api.LogLevelInfo,
	})
	if n := len(made.Errors); n > 0 {
		return nil, fmt.Errorf("%d errors", n)
	}
	files := map[string][]byte{}
	for _, f := range made.OutputFiles {
		files[filepath.Base(f.Path)] = f.Contents
	}
	if files["index.html"], err = os.ReadFile(filepath.Join(web, "index.html")); err != nil {
		return nil, err
	}
	files["licences.txt"], err = licences(filepath.Join(web, "vendor"))
	return files, err
}

// licences returns the licences of all modules that the page is made with.
func licences(vendor string) (all []byte, err error) {
	err = filepath.WalkDir(vendor, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "LICENSE" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(vendor, filepath.Dir(path))
		all = fmt.Appendf(all, "%s\n\n%s\n\n", filepath.ToSlash(name), bytes.TrimSpace(text))
		return err
	})
	return all, err
}

// write replaces what is in the folder by the files.
func write(dir string, files map[string][]byte) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
