import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { test } from 'node:test';
import { freePortBlock } from '../../support/free-ports.ts';
import { startRedis } from '../../support/redis-server.ts';
import { until } from '../../support/until.ts';
import { assertCounted, countedEntry, joinRedis, temporaryDirectory } from './harness.ts';

test('a Redis is reached by TLS, and only where its certificate is trusted and names it', async () => {
  const directory = await temporaryDirectory();
  const [key, certificate] = ['key.pem', 'cert.pem'].map((name) => join(directory.path, name));
  assert.ok(key !== undefined && certificate !== undefined);
  const subject = ['-subj', '/CN=redis', '-addext', 'subjectAltName=DNS:localhost'];
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const files = ['-keyout', key, '-out', certificate];
  execFileSync('openssl', ['req', '-x509', ...newKey, ...files, '-days', '2', ...subject], {
    stdio: 'ignore',
  });
  const port = await freePortBlock([0]);
  const given = ['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-auth-clients', 'no'];
  const redis = await startRedis({ args: ['--tls-port', String(port), ...given] });
  const trusted = getCACertificates('default');
  const strange = await joinRedis({ url: `rediss://localhost:${port}`, directory: undefined });
  try {
    await until('it is refused', 5_000, () => strange.host.reasons[0]);
    assert.match(strange.host.reasons[0] ?? '', /self-signed certificate/);
    strange.close();
    setDefaultCACertificates([...trusted, readFileSync(certificate, 'utf8')]);
    const misnamed = await joinRedis({ url: `rediss://127.0.0.1:${port}`, directory: undefined });
    await until('it is refused', 5_000, () => misnamed.host.reasons[0]);
    misnamed.close();
    assert.match(misnamed.host.reasons[0] ?? '', /127\.0\.0\.1/);
    const joined = await joinRedis({ url: `rediss://localhost:${port}`, directory: undefined });
    joined.host.append(countedEntry(1));
    await joined.host.settled();
    await assertCounted(joined.host);
    joined.close();
  } finally {
    setDefaultCACertificates(trusted);
    strange.close();
    await redis.stop();
    await directory.remove();
  }
});
