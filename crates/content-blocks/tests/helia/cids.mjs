// The CIDs that Helia's importer gives: one line of JSON per case. With a file as argument: the blocks of an archive.
import { createReadStream } from 'node:fs'
import { CarBlockIterator } from '@ipld/car'
import { MemoryBlockstore } from 'blockstore-core'
import { importBytes } from 'ipfs-unixfs-importer'
import { balanced } from 'ipfs-unixfs-importer/layout'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { sha256 } from 'multiformats/hashes/sha2'

const [archive] = process.argv.slice(2)
if (archive) {
  const blocks = await CarBlockIterator.fromIterable(createReadStream(archive))
  const roots = await blocks.getRoots()
  let count = 0
  for await (const { cid, bytes } of blocks) {
    const digest = await sha256.digest(bytes)
    if (Buffer.compare(digest.bytes, cid.multihash.bytes) !== 0) throw new Error(`${cid} is another block`)
    count++
  }
  console.log(JSON.stringify({ roots: roots.map(String), blocks: count }))
  process.exit(0)
}

const made = size => Uint8Array.from({ length: size }, (_, i) => (Math.imul(i, 2654435761) >>> 13) & 255)
const cid = async (bytes, chunkSize, fanout, rawLeaves, cidVersion) => {
  const { cid } = await importBytes(bytes, new MemoryBlockstore(), {
    chunker: fixedSize({ chunkSize }), layout: balanced({ maxChildrenPerNode: fanout }), rawLeaves, cidVersion,
    reduceSingleLeafToSelf: true,
  })
  return cid.toString()
}
const profiles = {
  V1_2025: [1024 * 1024, 1024, true, 1],
  V1_LEGACY: [256 * 1024, 174, true, 1],
  V0_2015: [256 * 1024, 174, false, 0],
}
const sizes = [0, 1, 1000, 262143, 262144, 262145, 1048576, 1048577, 174 * 262144, 174 * 262144 + 1, 52428800]
for (const [profile, settings] of Object.entries(profiles)) {
  for (const size of sizes) console.log(JSON.stringify({ profile, size, cid: await cid(made(size), ...settings) }))
}
for (const [chunk, fanout] of [[7, 3], [16, 2]]) {
  for (let size = 0; size < 700; size++) {
    console.log(JSON.stringify({ chunk, fanout, size, cid: await cid(made(size), chunk, fanout, true, 1) }))
  }
}
