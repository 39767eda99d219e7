// Compiles the contracts into artifacts/; with --check, compares instead and fails if they differ. Needs `npm ci` first.
// PEERLINK_NODE_MODULES names a node_modules folder elsewhere.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const modules = process.env.PEERLINK_NODE_MODULES ?? join(here, "node_modules");
const solc = createRequire(join(modules, "x.js"))("solc");

const files = ["ContentToken.sol", "HostileRecipients.sol"];
const wanted = { "ContentToken.sol": ["ContentToken"], "HostileRecipients.sol": ["Refuser", "GasBurner"] };
const input = {
  language: "Solidity",
  sources: Object.fromEntries(files.map((file) => [file, { content: readFileSync(join(here, file), "utf8") }])),
  settings: {
    optimizer: { enabled: true, runs: 800 },
    evmVersion: "cancun",
    // Without the hash of the sources' metadata the bytecode depends on the code alone, not on comments.
    metadata: { bytecodeHash: "none" },
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "evm.deployedBytecode.immutableReferences"] } },
  },
};
const load = (path) => {
  const file = join(modules, path);
  return existsSync(file) ? { contents: readFileSync(file, "utf8") } : { error: `no ${file}` };
};
const output = JSON.parse(solc.compile(JSON.stringify(input), { import: load }));
const errors = (output.errors ?? []).filter((error) => error.severity === "error");
if (errors.length > 0) {
  console.error(errors.map((error) => error.formattedMessage).join("\n"));
  process.exit(1);
}

const check = process.argv.includes("--check");
let differences = 0;
for (const [file, names] of Object.entries(wanted)) {
  for (const name of names) {
    const { abi, evm } = output.contracts[file][name];
    const runtime = evm.deployedBytecode.object;
    // The worker knows the contract by the hash of its code, which must be the same wherever it is deployed.
    if (Object.keys(evm.deployedBytecode.immutableReferences ?? {}).length > 0) {
      console.error(`${name} has immutables, so that its code differs from copy to copy`);
      process.exit(1);
    }
    const artifact = {
      contract: name,
      compiler: solc.version(),
      abi,
      bytecode: `0x${evm.bytecode.object}`,
      runtime_sha256: createHash("sha256").update(Buffer.from(runtime, "hex")).digest("hex"),
      runtime_bytes: runtime.length / 2,
    };
    const text = `${JSON.stringify(artifact, null, 1)}\n`;
    const path = join(here, "artifacts", `${name}.json`);
    if (!check) {
      mkdirSync(join(here, "artifacts"), { recursive: true });
      writeFileSync(path, text);
      console.log(`${name}: ${artifact.runtime_bytes} bytes at run time`);
    } else if (!existsSync(path) || readFileSync(path, "utf8") !== text) {
      console.error(`artifacts/${name}.json is not what ${file} compiles to; run \`npm run compile\``);
      differences += 1;
    }
  }
}
process.exit(differences === 0 ? 0 : 1);
