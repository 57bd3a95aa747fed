/**
 * One conversation with a server as raw bytes.
 */

import { connect } from 'node:net';

/** Sends bytes on a fresh connection and gives back, in latin1, all that comes until the other side closes. */
export function exchange(port: number, bytes: string | Buffer): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let received = '';
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => (received += text));
    socket.on('close', () => resolve(received));
    // A server that closes before it has read everything resets; what it said before counts.
    socket.on('error', () => socket.destroy());
    socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  });
}
