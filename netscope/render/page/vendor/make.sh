#!/usr/bin/env bash
# Makes libraries.min.js and LICENSES.txt from the packages in package.json. Needs npm.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/package.json" "$here/libraries.js" "$work"
cd "$work"
npm install --no-audit --no-fund --no-package-lock --silent
npx esbuild libraries.js --bundle --minify --format=iife --global-name=libraries --target=es2020 \
    --legal-comments=none --charset=ascii --outfile=libraries.min.js --log-level=warning
cp libraries.min.js "$here"
for name in $(node -p 'Object.keys(require("./package.json").dependencies).sort().join(" ")'); do
    printf '%s %s\n\n' "$name" "$(node -p "require('./node_modules/$name/package.json').version")"
    tr -d '\r' < "node_modules/$name/LICENSE"
    printf '\n%s\n\n' "--------------------------------------------------------------------------------"
done > "$here/LICENSES.txt"
sha256sum "$here/libraries.min.js" "$here/LICENSES.txt" | sed "s#$here/##"
